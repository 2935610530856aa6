#include "host/train/describe_claims.h"

#include <memory>
#include <nlohmann/json.hpp>

#include "host/plugins/load.h"
#include "host/train/economies.h"
#include "host/train/model_check.h"
#include "host/train/optimizers.h"
#include "trainhost/error.h"

namespace trainhost::train {
namespace {

using Json = nlohmann::ordered_json;

Json claims_json(const Claims& claims) {
  return {{"parameters", claims.parameters},
          {"buffers", claims.buffers},
          {"gradients", claims.gradients},
          {"optimizer", claims.optimizer},
          {"transient", claims.transient},
          {"padding", claims.padding},
          {"host", claims.host},
          {"sum", claims.on_device()},
          {"traffic", claims.traffic}};
}

Json claims_of(const recipe::RunPlan& plan, const ModelSpec& model,
               const std::vector<ObjectiveSpec>& objectives, Host& host) {
  try {
    const auto plugin = plugins::load(plan.strategy.file, plugins::Kind::kStrategy);
    const Options options(plan.strategy.options, "strategy");
    const auto strategy = plugin.make<Strategy>(host, &options);
    const auto optimizer = make_optimizer(plan.optimizer, model.groups);
    return claims_json(strategy->claims(claims_request(plan, model, objectives, *optimizer)));
  } catch (const Error& error) {
    return {{"problem", error.what()}};
  }
}

}  // namespace

ClaimsRequest claims_request(const recipe::RunPlan& plan, const ModelSpec& model,
                             const std::vector<ObjectiveSpec>& objectives,
                             const Optimizer& optimizer) {
  return {.model = model,
          .objectives = objectives,
          .optimizer = optimizer,
          .world = static_cast<int>(plan.ranks),
          .micro_batches = static_cast<int>(plan.train.accumulate),
          .numerics = plan.numerics == "exact" ? Numerics::kExact : Numerics::kFast,
          .gradient_dtype = sixteen_bits(plan.train.gradient_dtype)};
}

std::string claims_text(const Strategy& strategy, const ClaimsRequest& request) {
  try {
    return claims_json(strategy.claims(request)).dump();
  } catch (const Error& error) {
    return Json{{"problem", error.what()}}.dump();
  }
}

std::string describe_claims(const std::vector<recipe::RunPlan>& plans, const Model& model,
                            Host& host, MemoryCounter& memory) {
  memory.reset_peak();
  const std::int64_t before = memory.current();
  const ModelSpec spec = model.declare();
  const std::vector<ObjectiveSpec> objectives = model.objectives();
  if (!plans.empty()) check_model(plans.front().model.id, spec, objectives);
  Json json;
  json["parameters"] = model_size(spec).parameters;
  json["units"] = spec.units.size();
  json["objectives"] = Json::array();
  for (const ObjectiveSpec& objective : objectives) json["objectives"].push_back(objective.name);
  json["claims"] = Json::array();
  for (const recipe::RunPlan& plan : plans) {
    json["claims"].push_back(claims_of(plan, spec, objectives, host));
  }
  json["allocated_bytes"] = memory.peak() - before;
  return json.dump();
}

}  // namespace trainhost::train
