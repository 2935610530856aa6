#include "outer.h"

#include <ATen/ops/sub.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <string>

namespace diloco {

using namespace trainhost;

Outer::Outer(const AttachContext& context, const OuterSettings& settings, Replica& local,
             const std::vector<at::Tensor>& differences)
    : context_(context),
      settings_(settings),
      local_(local),
      differences_(differences),
      shared_(context) {
  for (const Replica::Parameter& parameter : shared_.parameters()) {
    momentum_.push_back(parameter.spec->requires_grad ? at::zeros_like(parameter.values)
                                                      : at::Tensor());
  }
  for (std::size_t o = 0; o < context.objectives.size(); ++o) {
    since_round_.push_back(at::zeros({1}, at::TensorOptions(at::kLong)));
  }
}

void Outer::inner_step_done(int objective) {
  auto* steps = since_round_[objective].mutable_data_ptr<std::int64_t>();
  if (++*steps < settings_.inner_steps) return;
  *steps = 0;
  end_round(objective);
}

/// Of the objective's units alone, so that each objective sends what it trains.
void Outer::end_round(int objective) {
  c10::NoGradGuard no_grad;
  const auto& of_shared = shared_.parameters();
  std::vector<std::pair<int, WorkHandle>> under_way;
  for (std::size_t p = 0; p < of_shared.size(); ++p) {
    Replica::Parameter& local = local_.parameters()[p];
    if (!local.spec->requires_grad || !local_.used_by(objective, local.unit)) continue;
    at::sub_out(local.gradient, of_shared[p].values, local.values);
  }
  for (std::size_t u = 0; u < differences_.size(); ++u) {
    const int unit = static_cast<int>(u);
    if (!differences_[u].defined() || !local_.used_by(objective, unit)) continue;
    under_way.emplace_back(unit, context_.communicator.all_reduce(differences_[u], ReduceOp::kSum,
                                                                  Traffic::kStrategy));
  }
  for (auto& [unit, work] : under_way) {
    wait(work);
    step_unit(unit);
  }
}

void Outer::step_unit(int unit) {
  const double lr = settings_.lr, momentum = settings_.momentum;
  for (std::size_t p = 0; p < momentum_.size(); ++p) {
    Replica::Parameter& local = local_.parameters()[p];
    if (local.unit != unit || !local.spec->requires_grad) continue;
    at::Tensor& shared = shared_.parameters()[p].values;
    local.gradient.div_(context_.communicator.world());
    momentum_[p].mul_(momentum).add_(local.gradient);
    shared.sub_(local.gradient, lr).sub_(momentum_[p], lr * momentum);
    local.values.copy_(shared);
  }
  differences_[unit].zero_();
}

void Outer::restart_local() {
  c10::NoGradGuard no_grad;
  for (std::size_t p = 0; p < momentum_.size(); ++p) {
    local_.parameters()[p].values.copy_(shared_.parameters()[p].values);
  }
}

void Outer::append_state(std::vector<StateSlice>& out) {
  for (std::size_t p = 0; p < momentum_.size(); ++p) {
    const Replica::Parameter& parameter = shared_.parameters()[p];
    out.push_back(
        {"parameter/" + parameter.name, parameter.spec->shape, 0, parameter.values, true});
    if (!momentum_[p].defined()) continue;
    out.push_back({"optimizer/outer/momentum/" + parameter.name, parameter.spec->shape, 0,
                   momentum_[p], true});
  }
  for (std::size_t o = 0; o < since_round_.size(); ++o) {
    out.push_back(
        {"optimizer/outer/steps/" + context_.objectives[o].name, {1}, 0, since_round_[o], true});
  }
}

}  // namespace diloco
