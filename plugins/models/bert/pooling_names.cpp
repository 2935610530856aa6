#include <array>
#include <utility>

#include "bert/pooling.h"
#include "trainhost/error.h"

namespace bert {
namespace {

constexpr std::array<std::pair<Pooling, const char*>, 6> kNames{
    {{Pooling::kCls, "cls"},
     {Pooling::kMax, "max"},
     {Pooling::kMean, "mean"},
     {Pooling::kMeanSqrtLen, "mean_sqrt_len_tokens"},
     {Pooling::kWeightedMean, "weightedmean"},
     {Pooling::kLast, "lasttoken"}}};

}  // namespace

Pooling pooling_of(const std::string& name, const std::string& where) {
  std::string choices;
  for (const auto& [pooling, known] : kNames) {
    if (name == known) return pooling;
    choices += (choices.empty() ? "" : ", ") + std::string(known);
  }
  throw trainhost::Error(
      trainhost::Failure::kUser,
      {.where = where, .what = "no such pooling", .expected = choices, .got = name, .fix = {}});
}

std::string name_of(Pooling pooling) {
  for (const auto& [known, name] : kNames) {
    if (known == pooling) return name;
  }
  return {};
}

}  // namespace bert
