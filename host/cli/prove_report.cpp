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
    } else {
      tensor.hash += hash;
      tensor.elements += said.elements;
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

std::optional<Difference> first_difference(const ProvedRun& reference, const ProvedRun& run) {
  for (std::size_t p = 0; p < reference.places.size(); ++p) {
    const ProvedRun::Place& expected = reference.places[p];
    if (p >= run.places.size() || run.places[p].name != expected.name) {
      return Difference{expected.name, "", "nothing came " + place_text(expected.name)};
    }
    const ProvedRun::Place& got = run.places[p];
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

bool all_equal(const std::vector<ProvedRun>& runs) {
  return std::ranges::none_of(
      runs, [&](const ProvedRun& run) { return first_difference(runs.front(), run).has_value(); });
}

std::string prove_text(const ProveFacts& facts, const std::vector<ProvedRun>& runs) {
  using telemetry::pad_left;
  using telemetry::pad_right;
  const ProvedRun& reference = runs.front();
  std::string out = facts.title + "\n" + facts.settings + "\n\n";
  std::size_t width = 16;
  for (const ProvedRun& run : runs) width = std::max(width, telemetry::columns(run.label));
  out += pad_right("strategy", width) + "  state at the end  verdict\n";
  for (std::size_t r = 0; r < runs.size(); ++r) {
    const char* verdict = first_difference(reference, runs[r]) ? "DIFFERS" : "equal";
    out += pad_right(runs[r].label, width) + "  " + pad_right(runs[r].hash(), 16) + "  " +
           (r == 0 ? "the reference" : verdict) + "\n";
  }
  // The last part of a dotted id tells them apart.
  const auto heading = [](const std::string& id) {
    return pad_left(telemetry::cut(id.substr(id.rfind('.') + 1), 17), 18);
  };
  out += "\n" + pad_right("loss of step", width) + heading(reference.strategy);
  for (std::size_t r = 1; r < runs.size(); ++r) out += heading(runs[r].strategy);
  out += "\n";
  for (std::size_t p = 0; p < reference.places.size(); ++p) {
    const ProvedRun::Place& place = reference.places[p];
    if (std::isnan(place.loss)) continue;
    out += pad_right(place.name, width) + pad_left(loss_text(place.loss), 18);
    for (std::size_t r = 1; r < runs.size(); ++r) {
      const bool known = p < runs[r].places.size();
      const double loss = known ? runs[r].places[p].loss : telemetry::kNone;
      out += pad_left(!known ? "?" : same_bits(loss, place.loss) ? "=" : loss_text(loss), 18);
    }
    out += "\n";
  }
  out += "\n";
  for (std::size_t r = 1; r < runs.size(); ++r) {
    const auto difference = first_difference(reference, runs[r]);
    if (difference) out += runs[r].label + " differs first " + difference->text + "\n";
  }
  if (all_equal(runs)) {
    const std::size_t tensors = reference.places.empty() ? 0 : reference.places[0].tensors.size();
    out += fmt::format(
        "equal: {} strategies, {} places, {} tensors each, every bit\n", runs.size(),
        reference.places.size(),
        std::max(tensors,
                 reference.places.empty() ? tensors : reference.places.back().tensors.size()));
  }
  return out;
}

std::string prove_json(const ProveFacts& facts, const std::vector<ProvedRun>& runs) {
  Json out;
  out["equal"] = all_equal(runs);
  out["world"] = facts.world;
  out["steps"] = facts.steps;
  out["seed"] = facts.seed;
  out["device"] = facts.device;
  out["runs"] = Json::array();
  for (const ProvedRun& run : runs) {
    Json json;
    json["strategy"] = run.strategy;
    json["hash"] = run.hash();
    json["loss"] = Json::array();
    for (const ProvedRun::Place& place : run.places) {
      if (!std::isnan(place.loss)) json["loss"].push_back(place.loss);
    }
    json["seconds"] = run.seconds;
    if (const auto difference = first_difference(runs.front(), run)) {
      json["first_difference"] = {
          {"place", difference->place}, {"tensor", difference->tensor}, {"text", difference->text}};
    }
    out["runs"].push_back(std::move(json));
  }
  return out.dump(1) + "\n";
}

}  // namespace trainhost::cli
