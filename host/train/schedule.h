// The learning rate over the steps of an objective.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>

#include "host/recipe/plan.h"

namespace trainhost::train {

/// The rate of step `step` (from 0) of `total`. Warm-up rises linearly to `lr` and counts in steps,
/// or as a fraction of all steps where it is below 1; then the schedule runs from `lr` to min_lr.
inline double scheduled_lr(const recipe::OptimizerPlan& plan, double lr, std::int64_t step,
                           std::int64_t total) {
  const double warmup =
      plan.warmup < 1 ? std::floor(plan.warmup * static_cast<double>(total)) : plan.warmup;
  const auto at = static_cast<double>(step);
  if (at < warmup) return lr * (at + 1) / warmup;
  if (plan.schedule == "constant") return lr;
  const double span = std::max(1.0, static_cast<double>(total) - warmup);
  const double passed = std::clamp((at - warmup) / span, 0.0, 1.0);
  const double left =
      plan.schedule == "cosine" ? 0.5 * (1 + std::cos(std::numbers::pi * passed)) : 1 - passed;
  return plan.min_lr + (lr - plan.min_lr) * left;
}

}  // namespace trainhost::train
