#include "sbert/loss_settings.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <string_view>
#include <utility>

#include "trainhost/error.h"

namespace sbert {
namespace {

using trainhost::Error;
using trainhost::Failure;
using trainhost::Options;

constexpr std::int64_t kCachedMiniBatch = 32;
constexpr std::array<std::pair<std::string_view, LossKind>, 6> kLosses{{
    {"mnrl", LossKind::kInBatchNegatives},
    {"cached_mnrl", LossKind::kInBatchNegatives},
    {"cosine", LossKind::kCosine},
    {"cosent", LossKind::kCosent},
    {"softmax_nli", LossKind::kSoftmax},
    {"triplet", LossKind::kTriplet},
}};

[[noreturn]] void refuse(const Options& options, const char* key, std::string expected,
                         std::string got) {
  throw Error(Failure::kUser, {.where = options.position(key).text(),
                               .what = "option '" + options.full(key) + "' cannot be used so",
                               .expected = std::move(expected),
                               .got = std::move(got)});
}

LossKind kind_of(const Options& chooser) {
  const std::string& name = chooser.text("loss");
  std::string known;
  for (const auto& [candidate, kind] : kLosses) {
    if (name == candidate) return kind;
    known += (known.empty() ? "" : ", ") + std::string(candidate);
  }
  refuse(chooser, "loss", known, name);
}

Similarity similarity_in(const Options& options, const char* key,
                         std::initializer_list<Similarity> allowed) {
  const auto found = similarity_of(options.text(key));
  if (found && std::ranges::find(allowed, *found) != allowed.end()) return *found;
  std::string known;
  for (const Similarity each : allowed) {
    known += std::string(known.empty() ? "" : ", ") + name_of(each);
  }
  refuse(options, key, known, options.text(key));
}

void read_matryoshka(const Options& options, LossSettings& settings) {
  auto& dims = settings.matryoshka_dims = options.integers("matryoshka_dims");
  auto& weights = settings.matryoshka_weights = options.reals("matryoshka_weights");
  if (weights.empty()) weights.assign(dims.size(), 1.0);
  if (weights.size() != dims.size()) {
    refuse(options, "matryoshka_weights",
           "as many as matryoshka_dims: " + std::to_string(dims.size()),
           std::to_string(weights.size()));
  }
  if (std::ranges::any_of(dims, [](std::int64_t dim) { return dim < 1; })) {
    refuse(options, "matryoshka_dims", "sizes of 1 and more",
           std::to_string(std::ranges::min(dims)));
  }
  if (!dims.empty() && settings.kind == LossKind::kSoftmax) {
    refuse(options, "matryoshka_dims", "none: softmax_nli's head takes embeddings of one size",
           std::to_string(dims.size()) + " sizes");
  }
}

/// "2", "at least 2".
std::pair<std::size_t, bool> columns_of(LossKind kind) {
  switch (kind) {
    case LossKind::kInBatchNegatives:
      return {2, true};
    case LossKind::kTriplet:
      return {3, false};
    default:
      return {2, false};
  }
}

const char* needs_of(const LossSettings& settings) {
  switch (settings.kind) {
    case LossKind::kInBatchNegatives:
      return "anchor, positive, and any number of negatives";
    case LossKind::kTriplet:
      return "anchor, positive, negative";
    case LossKind::kSoftmax:
      return "two columns of texts and a label, the class";
    default:
      return "two columns of texts and a label, the score";
  }
}

std::string description_of(const SetShape& set) {
  std::string out;
  for (const std::string& column : set.columns) out += (out.empty() ? "" : ", ") + column;
  return (out.empty() ? "no texts" : out) + (set.has_label ? ", and a label" : ", no label");
}

}  // namespace

LossSettings LossSettings::read(const Options& options, const Options& chooser) {
  LossSettings out;
  out.kind = kind_of(chooser);
  out.name = chooser.text("loss");
  out.where = chooser.position("loss").text();
  out.scale = options.real("scale");
  if (!(out.scale > 0)) refuse(options, "scale", "above 0", std::to_string(out.scale));
  out.similarity = similarity_in(options, "similarity", {Similarity::kCosine, Similarity::kDot});
  out.gather_negatives = options.boolean("gather_negatives");
  out.mini_batch = options.integer("mini_batch");
  if (out.mini_batch < 0) {
    refuse(options, "mini_batch", "0 and more", std::to_string(out.mini_batch));
  }
  if (out.mini_batch == 0 && out.name == "cached_mnrl") out.mini_batch = kCachedMiniBatch;
  out.margin = options.real("margin");
  out.distance = similarity_in(
      options, "distance", {Similarity::kEuclidean, Similarity::kCosine, Similarity::kManhattan});
  out.classes = options.integer("classes");
  if (out.classes < 2) refuse(options, "classes", "2 and more", std::to_string(out.classes));
  read_matryoshka(options, out);
  return out;
}

LabelNeed LossSettings::label_need() const {
  switch (kind) {
    case LossKind::kCosine:
    case LossKind::kCosent:
      return LabelNeed::kScore;
    case LossKind::kSoftmax:
      return LabelNeed::kClass;
    default:
      return LabelNeed::kNone;
  }
}

void require_fit(const LossSettings& settings, const SetShape& set) {
  const auto [count, more] = columns_of(settings.kind);
  const std::size_t has = set.columns.size();
  const bool enough = more ? has >= count : has == count;
  const bool labelled = settings.label_need() == LabelNeed::kNone || set.has_label;
  if (!enough || !labelled) {
    throw Error(Failure::kUser,
                {.where = settings.where,
                 .what = "loss '" + settings.name + "' cannot use the set '" + set.name + "'",
                 .expected = needs_of(settings),
                 .got = description_of(set),
                 .fix = "choose the set's columns, or another loss"});
  }
  for (const std::int64_t dim : settings.matryoshka_dims) {
    if (dim <= set.dimension) continue;
    throw Error(Failure::kUser, {.where = settings.where,
                                 .what = "matryoshka_dims asks for more than the embeddings have",
                                 .expected = "at most " + std::to_string(set.dimension),
                                 .got = std::to_string(dim)});
  }
}

std::string label_problem(const LossSettings& settings, double label) {
  if (settings.label_need() == LabelNeed::kNone) return "";
  if (!std::isfinite(label)) return "the label is not a number";
  if (settings.label_need() == LabelNeed::kScore) return "";
  const bool known =
      label == std::floor(label) && label >= 0 && label < static_cast<double>(settings.classes);
  if (known) return "";
  return "the label is no class: expected 0 to " + std::to_string(settings.classes - 1);
}

}  // namespace sbert
