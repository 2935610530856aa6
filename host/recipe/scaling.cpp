#include "host/recipe/scaling.h"

#include <cmath>

#include "host/recipe/text.h"

namespace trainhost::recipe {
namespace {

constexpr double kMostRows = 2147483647.0;  // batches are counted in 32 bits by kernels

[[noreturn]] void fail(const SourcePosition& at, std::string what, std::string fix = "") {
  throw Error(Failure::kUser, {.where = at.text(), .what = std::move(what), .fix = std::move(fix)});
}

RuleArguments arguments(const World& world, double base_batch, std::int64_t effective_batch = 0) {
  return {.ranks = world.ranks,
          .nodes = world.nodes,
          .cpus = world.cpus,
          .device = world.device,
          .base_batch = base_batch,
          .effective_batch = effective_batch};
}

std::string nearest_global_batches(std::int64_t batch, std::int64_t ranks) {
  const std::int64_t below = batch / ranks * ranks;
  const std::string above = std::to_string(below + ranks);
  return below > 0 ? std::to_string(below) + " or " + above : above;
}

std::int64_t batch_per_rank(const ObjectiveBase& base, const RunPlan& plan, const World& world,
                            const RuleFunction& call, double base_batch) {
  if (plan.scaling.batch_rule == "per_rank") return base.batch;
  if (plan.scaling.batch_rule == "global") {
    if (base.batch % world.ranks == 0) return base.batch / world.ranks;
    fail(base.batch_at,
         "the global batch " + std::to_string(base.batch) + " of " + base.name +
             " does not divide by " + std::to_string(world.ranks) + " ranks",
         "set " + base.batch_key + " so that it is " +
             nearest_global_batches(base.batch, world.ranks));
  }
  const double result =
      call("scaling.batch", static_cast<double>(base.batch), arguments(world, base_batch));
  if (!(result >= 1 && result <= kMostRows) || std::trunc(result) != result) {
    fail(base.batch_at, "scaling.batch gave " + number_text(result) + " for " + base.name +
                            "; a batch is a positive integer");
  }
  return static_cast<std::int64_t>(result);
}

double scaled_lr(const ObjectiveBase& base, const RunPlan& plan, const World& world,
                 const RuleFunction& call, const ObjectivePlan& out) {
  const double effective = static_cast<double>(out.effective_batch);
  const double factor = effective / out.base_batch;
  const std::string& rule = plan.scaling.lr_rule;
  if (rule == "linear") return base.lr * factor;
  if (rule == "sqrt") return base.lr * std::sqrt(factor);
  if (rule == "none") return base.lr;
  return call("scaling.lr", base.lr, arguments(world, out.base_batch, out.effective_batch));
}

std::string note(const ObjectivePlan& out, const std::string& rule) {
  // Six digits suffice to read; the plan keeps the exact rate.
  const std::string change = "lr " + short_number(out.base_lr) + " → " + short_number(out.lr);
  if (rule == "none") return change + " (none)";
  return change + " (" + rule + ": " + std::to_string(out.effective_batch) + " / " +
         short_number(out.base_batch) + ")";
}

}  // namespace

ObjectivePlan scale_objective(const ObjectiveBase& base, const RunPlan& plan, const World& world,
                              const RuleFunction& call) {
  ObjectivePlan out;
  out.name = base.name;
  out.written_batch = base.batch;
  out.base_lr = base.lr;
  // An objective with a batch of its own keeps its proportion to train.batch.
  out.base_batch = static_cast<double>(base.batch) * plan.scaling.base_batch /
                   static_cast<double>(plan.train.batch);
  out.batch_per_rank = batch_per_rank(base, plan, world, call, out.base_batch);
  const double effective = static_cast<double>(out.batch_per_rank) *
                           static_cast<double>(world.ranks) *
                           static_cast<double>(plan.train.accumulate);
  if (effective > kMostRows) {
    fail(base.batch_at, "the effective batch of " + base.name + " would be " +
                            number_text(effective) + " rows, more than 2^31 - 1");
  }
  out.effective_batch = static_cast<std::int64_t>(effective);
  out.lr = scaled_lr(base, plan, world, call, out);
  if (!std::isfinite(out.lr) || out.lr <= 0) {
    fail(base.lr_at, "scaling.lr gave " + number_text(out.lr) + " for " + base.name +
                         "; a learning rate is positive and finite");
  }
  out.lr_note = note(out, plan.scaling.lr_rule);
  return out;
}

}  // namespace trainhost::recipe
