#include "host/train/optimizers.h"

#include <ATen/Parallel.h>
#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/_fused_sgd.h>
#include <ATen/ops/full.h>
#include <ATen/ops/scalar_tensor.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cstring>
#include <optional>

namespace trainhost::train {
namespace {

// Left to itself the compiler keeps such sums in memory.
using Floats = float __attribute__((vector_size(64)));
using Doubles = double __attribute__((vector_size(128)));
constexpr int kLanes = 16;

/// Σ g² over one block: lanes in a fixed pattern, so the sum has one order on every processor.
double block_squares(const float* values, std::int64_t count) {
  Doubles lanes{};
  const std::int64_t whole = count / kLanes * kLanes;
  for (std::int64_t i = 0; i < whole; i += kLanes) {
    Floats chunk;
    std::memcpy(&chunk, values + i, sizeof(chunk));
    const Doubles wide = __builtin_convertvector(chunk, Doubles);
    lanes += wide * wide;
  }
  for (std::int64_t i = whole; i < count; ++i) {
    const double value = values[i];
    lanes[i - whole] += value * value;
  }
  for (int width = kLanes / 2; width > 0; width /= 2) {
    for (int lane = 0; lane < width; ++lane) lanes[lane] += lanes[lane + width];
  }
  return lanes[0];
}

/// What a fused kernel takes: the slices of one group as lists.
struct Lists {
  Tensors parameters, gradients, steps;
  std::vector<Tensors> states;

  Lists(std::span<ParameterSlice> slices, int group, std::size_t state_count)
      : states(state_count) {
    for (ParameterSlice& slice : slices) {
      if (slice.group != group) continue;
      parameters.push_back(slice.parameter);
      gradients.push_back(slice.gradient);
      steps.push_back(at::scalar_tensor(static_cast<double>(slice.step),
                                        slice.parameter.options().dtype(at::kFloat)));
      for (std::size_t s = 0; s < state_count; ++s) states[s].push_back((*slice.states)[s]);
    }
  }
};

class Fused : public Optimizer {
 public:
  Fused(recipe::OptimizerPlan plan, std::vector<GroupSpec> groups)
      : plan_(std::move(plan)), groups_(std::move(groups)) {}

  void step(std::span<ParameterSlice> slices, double lr, double divisor) override {
    c10::NoGradGuard no_grad;
    for (int group = -1; group < static_cast<int>(groups_.size()); ++group) {
      Lists lists(slices, group, states().size());
      if (lists.parameters.empty()) continue;
      const double lr_factor = group < 0 ? 1 : groups_[group].lr_factor;
      const double decay_factor = group < 0 ? 1 : groups_[group].weight_decay_factor;
      std::optional<at::Tensor> scale;
      if (divisor != 1) {
        scale = at::full({}, divisor, lists.parameters[0].options().dtype(at::kFloat));
      }
      update(lists, lr * lr_factor, plan_.weight_decay * decay_factor, scale);
    }
  }

  void add_squares(const ParameterSlice& slice, ExactSum& sum) const override {
    const at::Tensor gradient = slice.gradient.to(at::kCPU, at::kFloat).contiguous();
    const float* values = gradient.const_data_ptr<float>();
    const std::int64_t count = gradient.numel();
    // The first block may be short: blocks lie at fixed places of the logical tensor.
    const std::int64_t lead = slice.offset % kNormBlock;
    const std::int64_t blocks = (lead + count + kNormBlock - 1) / kNormBlock;
    std::vector<double> partial(blocks);
    at::parallel_for(0, blocks, 64, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t b = begin; b < end; ++b) {
        const std::int64_t from = std::max<std::int64_t>(0, b * kNormBlock - lead);
        const std::int64_t to = std::min(count, (b + 1) * kNormBlock - lead);
        partial[b] = block_squares(values + from, to - from);
      }
    });
    for (const double value : partial) sum.add(value);
  }

 protected:
  virtual void update(Lists& lists, double lr, double decay,
                      const std::optional<at::Tensor>& scale) = 0;

  const recipe::OptimizerPlan plan_;
  const std::vector<GroupSpec> groups_;
};

class Adam : public Fused {
 public:
  using Fused::Fused;
  std::vector<OptimizerStateSpec> states() const override {
    return {{"exp_avg", 0}, {"exp_avg_sq", 0}};
  }

 protected:
  void update(Lists& lists, double lr, double decay,
              const std::optional<at::Tensor>& scale) override {
    if (plan_.name == "adamw") {
      at::_fused_adamw_(lists.parameters, lists.gradients, lists.states[0], lists.states[1], {},
                        lists.steps, lr, plan_.beta1, plan_.beta2, decay, plan_.eps, false, false,
                        scale);
    } else {
      at::_fused_adam_(lists.parameters, lists.gradients, lists.states[0], lists.states[1], {},
                       lists.steps, lr, plan_.beta1, plan_.beta2, decay, plan_.eps, false, false,
                       scale);
    }
  }
};

class Sgd : public Fused {
 public:
  using Fused::Fused;
  std::vector<OptimizerStateSpec> states() const override {
    if (plan_.momentum == 0) return {};
    return {{"momentum", 0}};
  }

 protected:
  void update(Lists& lists, double lr, double decay,
              const std::optional<at::Tensor>& scale) override {
    // A buffer of zeros makes the first step what the kernel's own first step would be.
    at::_fused_sgd_(lists.parameters, lists.gradients,
                    plan_.momentum == 0 ? Tensors{} : lists.states[0], decay, plan_.momentum, lr,
                    /*dampening=*/0, plan_.nesterov, /*maximize=*/false, /*is_first_step=*/false,
                    scale);
  }
};

}  // namespace

std::unique_ptr<Optimizer> make_optimizer(const recipe::OptimizerPlan& plan,
                                          std::vector<GroupSpec> groups) {
  if (plan.name == "sgd") return std::make_unique<Sgd>(plan, std::move(groups));
  return std::make_unique<Adam>(plan, std::move(groups));
}

}  // namespace trainhost::train
