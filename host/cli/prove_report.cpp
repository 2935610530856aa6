#include "host/cli/prove_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "host/telemetry/text_layout.h"
#include "trainhost/error.h"

namespace trainhost::cli {
namespace {

using Json = nlohmann::ordered_json;

std::uint64_t parse_hash(const std::string& text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw Error(Failure::kRun, {.where = "prove", .what = "a rank sent no hash", .got = text});
  }
  return value;
}

bool same_bits(double a, double b) {
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b) ||
         (std::isnan(a) && std::isnan(b));
}

std::string place_text(const std::string& place) {
  return place.starts_with("end") ? "at the " + place : "after step " + place;
}

std::optional<Difference> difference_at(const ProvedRun::Place& expected,
                                        const ProvedRun::Place& got, const std::string& reference) {
  const auto make = [&](const std::string& tensor, const std::string& text) {
    return Difference{expected.name, tensor, place_text(expected.name) + ": " + text};
  };
  for (const ProvedRun::Tensor& tensor : expected.tensors) {
    const std::string named = "tensor '" + tensor.name + "' ";
    const ProvedRun::Tensor* other = got.find(tensor.name);
    if (other == nullptr) return make(tensor.name, named + "is missing");
    if (other->ranks_differ) {
      return make(tensor.name, named + "is not the same on all ranks, though each holds all of it");
    }
    if (other->elements != other->of_elements || other->of_elements != tensor.of_elements) {
      return make(tensor.name, named + fmt::format("is not whole: {} of {} elements",
                                                   other->elements, tensor.of_elements));
    }
    if (other->hash != tensor.hash) return make(tensor.name, named + "has other bits");
  }
  for (const ProvedRun::Tensor& tensor : got.tensors) {
    if (tensor.name.starts_with("strategy/") || expected.find(tensor.name) != nullptr) continue;
    return make(tensor.name, "tensor '" + tensor.name + "' is not there under " + reference);
  }
  return std::nullopt;
}

bool is_close(double a, double b, double scale) {
  return (std::isnan(a) && std::isnan(b)) || std::abs(a - b) <= kTolerance * scale;
}

/// Of an objective's states, which hold the gradients after its first step.
bool is_state_of(const std::string& tensor, const std::string& objective) {
  return tensor.starts_with("optimizer/" + objective + "/") &&
         !tensor.starts_with("optimizer/" + objective + "/updates/");
}

std::optional<Difference> distance_at(const ProvedRun::Place& expected, const ProvedRun::Place& got,
                                      const std::string& reference) {
  constexpr double kRounding = 1e-3;  // of the norm of all tensors
  const auto text = [&](const std::string& what, double is, double was) {
    return fmt::format("{}: {} is {:.9g}, under {} it is {:.9g}", place_text(expected.name), what,
                       is, reference, was);
  };
  if (!is_close(got.loss, expected.loss, std::abs(expected.loss))) {
    return Difference{expected.name, "", text("the loss", got.loss, expected.loss)};
  }
  const std::size_t space = expected.name.rfind(" 1");
  if (space == std::string::npos || space + 2 != expected.name.size()) return std::nullopt;
  const std::string objective = expected.name.substr(0, space);
  double all = 0;
  for (const ProvedRun::Tensor& tensor : expected.tensors) {
    if (is_state_of(tensor.name, objective)) all = std::max(all, std::sqrt(tensor.squares));
  }
  for (const ProvedRun::Tensor& tensor : expected.tensors) {
    if (!is_state_of(tensor.name, objective)) continue;
    const ProvedRun::Tensor* other = got.find(tensor.name);
    const double was = std::sqrt(tensor.squares);
    const double is = other == nullptr ? telemetry::kNone : std::sqrt(other->squares);
    if (!is_close(is, was, std::max(was, kRounding * all))) {
      return Difference{expected.name, tensor.name,
                        text("the norm of '" + tensor.name + "'", is, was)};
    }
  }
  return std::nullopt;
}

std::string loss_text(double loss) { return std::isnan(loss) ? "-" : fmt::format("{:.12g}", loss); }

}  // namespace

const ProvedRun::Tensor* ProvedRun::Place::find(const std::string& name) const {
  const auto found = index.find(name);
  return found == index.end() ? nullptr : &tensors[found->second];
}

ProvedRun::ProvedRun(std::string strategy, std::string label)
    : strategy(std::move(strategy)), label(std::move(label)) {
  if (this->label.empty()) this->label = this->strategy;
}

void ProvedRun::add(const telemetry::State& state) {
  auto place = std::ranges::find(places, state.place, &Place::name);
  if (place == places.end()) {
    place = places.insert(places.end(), Place{state.place, state.loss, {}, {}});
  }
  for (const telemetry::State::Tensor& said : state.tensors) {
    const auto [entry, is_new] = place->index.emplace(said.name, place->tensors.size());
    if (is_new) place->tensors.push_back({said.name, 0, 0, said.of_elements, false});
    Tensor& tensor = place->tensors[entry->second];
    const std::uint64_t hash = parse_hash(said.hash);
    if (said.replicated) {
      tensor.ranks_differ = tensor.ranks_differ || (!is_new && hash != tensor.hash);
      tensor.hash = hash;
      tensor.elements = said.elements;
      tensor.squares = said.squares;
    } else {
      tensor.hash += hash;
      tensor.elements += said.elements;
      tensor.squares += said.squares;
    }
  }
}

std::string ProvedRun::hash() const {
  if (places.empty()) return {};
  // FNV-1a over names and hashes, sorted by name.
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  const auto add = [&hash](std::string_view text) {
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  };
  for (const auto& [name, position] : places.back().index) {
    if (name.starts_with("strategy/")) continue;
    add(fmt::format("{}={:016x};", name, places.back().tensors[position].hash));
  }
  return fmt::format("{:016x}", hash);
}

std::optional<Difference> first_difference(const ProvedRun& reference, const ProvedRun& run,
                                           Compare compare) {
  for (std::size_t p = 0; p < reference.places.size(); ++p) {
    const ProvedRun::Place& expected = reference.places[p];
    if (p >= run.places.size() || run.places[p].name != expected.name) {
      return Difference{expected.name, "", "nothing came " + place_text(expected.name)};
    }
    const ProvedRun::Place& got = run.places[p];
    if (compare == Compare::kClose) {
      if (auto distance = distance_at(expected, got, reference.strategy)) return distance;
      continue;
    }
    const auto tensor = difference_at(expected, got, reference.strategy);
    if (same_bits(expected.loss, got.loss)) {
      if (tensor) return tensor;
      continue;
    }
    Difference out{
        expected.name, tensor ? tensor->tensor : "",
        fmt::format("{}: the loss is {:.17g}, under {} it is {:.17g}", place_text(expected.name),
                    got.loss, reference.strategy, expected.loss)};
    if (tensor) out.text += "; first tensor: '" + tensor->tensor + "'";
    return out;
  }
  return std::nullopt;
}

bool all_equal(const std::vector<ProvedRun>& runs, Compare compare) {
  return std::ranges::none_of(runs, [&](const ProvedRun& run) {
    return first_difference(runs.front(), run, compare).has_value();
  });
}

namespace {

/// A line for each step with a loss: the reference's, and those of runs that have another.
std::string loss_table(const std::vector<ProvedRun>& runs, std::size_t width) {
  using telemetry::pad_left;
  using telemetry::pad_right;
  const ProvedRun& reference = runs.front();
  const auto has_same = [&](const ProvedRun& run, std::size_t p) {
    return p < run.places.size() && same_bits(run.places[p].loss, reference.places[p].loss);
  };
  std::vector<const ProvedRun*> others;
  for (const ProvedRun& run : runs) {
    bool same = true;
    for (std::size_t p = 0; p < reference.places.size(); ++p) same = same && has_same(run, p);
    if (!same) others.push_back(&run);
  }
  // The last part of a dotted id tells them apart.
  const auto heading = [](const std::string& label) {
    return pad_left(telemetry::cut(label.substr(label.rfind('.') + 1), 23), 24);
  };
  std::string out =
      pad_right("loss of step", width) + heading(others.empty() ? "all" : reference.strategy);
  for (const ProvedRun* run : others) out += heading(run->label);
  out += "\n";
  for (std::size_t p = 0; p < reference.places.size(); ++p) {
    const ProvedRun::Place& place = reference.places[p];
    if (std::isnan(place.loss)) continue;
    out += pad_right(place.name, width) + pad_left(loss_text(place.loss), 24);
    for (const ProvedRun* run : others) {
      const bool known = p < run->places.size();
      out += pad_left(!known ? "?" : has_same(*run, p) ? "=" : loss_text(run->places[p].loss), 24);
    }
    out += "\n";
  }
  return out;
}

}  // namespace

std::string prove_text(const ProveFacts& facts, const std::vector<ProvedRun>& runs) {
  using telemetry::pad_right;
  const ProvedRun& reference = runs.front();
  const bool bits = facts.compare == Compare::kBits;
  std::string out = facts.title + "\n" + facts.settings + "\n\n";
  std::size_t width = 16;
  for (const ProvedRun& run : runs) width = std::max(width, telemetry::columns(run.label));
  out += pad_right("strategy", width) + "  state at the end  verdict\n";
  for (std::size_t r = 0; r < runs.size(); ++r) {
    const bool differs = first_difference(reference, runs[r], facts.compare).has_value();
    const std::string verdict = differs ? "DIFFERS" : bits ? "equal" : "close";
    out += pad_right(runs[r].label, width) + "  " + pad_right(runs[r].hash(), 16) + "  " +
           (r == 0 ? "the reference" : verdict) + "\n";
  }
  out += "\n" + loss_table(runs, width) + "\n";
  for (std::size_t r = 1; r < runs.size(); ++r) {
    const auto difference = first_difference(reference, runs[r], facts.compare);
    if (difference) out += runs[r].label + " differs first " + difference->text + "\n";
  }
  if (!all_equal(runs, facts.compare)) return out;
  std::size_t tensors = 0;
  for (const ProvedRun::Place& place : reference.places) {
    tensors = std::max(tensors, place.tensors.size());
  }
  out += fmt::format("{}: {} runs, {} places, ", bits ? "equal" : "close", runs.size(),
                     reference.places.size());
  return out + (bits ? fmt::format("{} tensors each, every bit\n", tensors)
                     : fmt::format("losses and the norms of first gradients to {}\n", kTolerance));
}

std::string prove_json(const ProveFacts& facts, const std::vector<ProvedRun>& runs) {
  Json out;
  out["equal"] = all_equal(runs, facts.compare);
  out["compare"] = facts.compare == Compare::kBits ? "bits" : "close";
  out["world"] = facts.world;
  out["steps"] = facts.steps;
  out["seed"] = facts.seed;
  out["device"] = facts.device;
  out["runs"] = Json::array();
  for (const ProvedRun& run : runs) {
    Json json;
    json["strategy"] = run.strategy;
    json["label"] = run.label;
    json["hash"] = run.hash();
    json["loss"] = Json::array();
    for (const ProvedRun::Place& place : run.places) {
      if (!std::isnan(place.loss)) json["loss"].push_back(place.loss);
    }
    json["seconds"] = run.seconds;
    if (const auto difference = first_difference(runs.front(), run, facts.compare)) {
      json["first_difference"] = {
          {"place", difference->place}, {"tensor", difference->tensor}, {"text", difference->text}};
    }
    out["runs"].push_back(std::move(json));
  }
  return out.dump(1) + "\n";
}

}  // namespace trainhost::cli
