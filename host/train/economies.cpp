#include "host/train/economies.h"

#include <algorithm>

#include "trainhost/error.h"

namespace trainhost::train {
namespace {

std::string names_of(const ModelSpec& model) {
  std::string out;
  for (const UnitSpec& unit : model.units) out += (out.empty() ? "" : ", ") + unit.name;
  return out;
}

}  // namespace

std::optional<at::ScalarType> sixteen_bits(const std::string& name) {
  if (name == "bf16") return at::kBFloat16;
  if (name == "fp16") return at::kHalf;
  return {};
}

Economies economies_of(const recipe::RunPlan& plan, const ModelSpec& model) {
  Economies out{sixteen_bits(plan.precision), {}};
  const recipe::TrainPlan& train = plan.train;
  if (train.recompute_every == 0 && train.recompute_units.empty()) return out;
  out.recompute.resize(model.units.size());
  for (std::size_t u = 0; train.recompute_every > 0 && u < model.units.size();
       u += static_cast<std::size_t>(train.recompute_every)) {
    out.recompute[u] = true;
  }
  for (const std::string& name : train.recompute_units) {
    const auto found = std::ranges::find(model.units, name, &UnitSpec::name);
    if (found == model.units.end()) {
      throw Error(Failure::kUser, {.where = "train.activation_checkpointing",
                                   .what = "the model has no unit '" + name + "'",
                                   .expected = names_of(model)});
    }
    out.recompute[found - model.units.begin()] = true;
  }
  return out;
}

}  // namespace trainhost::train
