#include "bert/pooling.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/clamp_min.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/segment_reduce.h>

#include <cmath>

#include "bert/autograd.h"
#include "bert/kernels/pool.h"

namespace bert {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// The weight of token t (from 0) of a sequence of `length`; not for kMax.
float weight_of(Pooling pooling, std::int64_t t, std::int64_t length) {
  const auto count = static_cast<double>(length);
  switch (pooling) {
    case Pooling::kCls:
      return t == 0 ? 1.0F : 0.0F;
    case Pooling::kLast:
      return t + 1 == length ? 1.0F : 0.0F;
    case Pooling::kMeanSqrtLen:
      return static_cast<float>(1.0 / std::sqrt(count));
    case Pooling::kWeightedMean:
      return static_cast<float>(static_cast<double>(t + 1) / (count * (count + 1) / 2));
    default:
      return static_cast<float>(1.0 / count);
  }
}

std::vector<float> weights_of(Pooling pooling, const Sequences& sequences) {
  std::vector<float> out;
  out.reserve(static_cast<std::size_t>(sequences.tokens()));
  for (std::size_t i = 0; i + 1 < sequences.offsets.size(); ++i) {
    const std::int64_t length = sequences.offsets[i + 1] - sequences.offsets[i];
    for (std::int64_t t = 0; t < length; ++t) out.push_back(weight_of(pooling, t, length));
  }
  return out;
}

struct State {
  std::shared_ptr<const Sequences> sequences;  // shared with the batch
  std::vector<float> weights;
  at::ScalarType type;
};

at::Tensor weighted_sums(const State& state, const at::Tensor& hidden) {
  const at::Tensor out =
      at::empty({state.sequences->size(), hidden.size(1)}, at::TensorOptions(at::kFloat));
  by_type(state.type, [&]<class T>(T*) {
    kernels::pool(*state.sequences, state.weights.data(), hidden.size(1),
                  hidden.const_data_ptr<T>(), floats(out));
  });
  return out;
}

struct PoolFunction : torch::autograd::Function<PoolFunction> {
  static at::Tensor forward(AutogradContext* context, State state, const at::Tensor& hidden) {
    const at::Tensor out = weighted_sums(state, hidden);
    keep(context, std::move(state));
    return out;
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const State state = take<State>(context);
    const at::Tensor gradient = gradients[0].to(at::kFloat).contiguous();
    const at::Tensor out =
        at::empty({state.sequences->tokens(), gradient.size(1)}, at::TensorOptions(state.type));
    by_type(state.type, [&]<class T>(T*) {
      kernels::pool_backward(*state.sequences, state.weights.data(), gradient.size(1),
                             const_floats(gradient), out.data_ptr<T>());
    });
    return {{}, out};
  }
};

at::Tensor lengths_of(const Packed& packed) {
  const at::Tensor starts = packed.starts.to(at::kLong);
  return starts.narrow(0, 1, starts.size(0) - 1) - starts.narrow(0, 0, starts.size(0) - 1);
}

/// By ATen operations, for any device and for kMax.
at::Tensor composed(const at::Tensor& hidden, const Packed& packed, Pooling pooling) {
  at::Tensor rows = hidden.to(at::kFloat);
  if (packed.sequences->size() == 0) return rows;  // [0, hidden]
  if (pooling != Pooling::kMax) {
    const std::vector<float> weights = weights_of(pooling, *packed.sequences);
    const at::Tensor column = at::empty({rows.size(0), 1}, at::TensorOptions(at::kFloat));
    std::copy(weights.begin(), weights.end(), column.data_ptr<float>());
    rows = rows * column.to(rows.device());
  }
  return at::segment_reduce(rows, pooling == Pooling::kMax ? "max" : "sum", lengths_of(packed), {},
                            {}, 0, /*unsafe=*/true);
}

}  // namespace

at::Tensor pool(const at::Tensor& hidden, const Packed& packed, Pooling pooling, bool normalise) {
  at::Tensor out;
  const bool known = hidden.scalar_type() == at::kFloat || hidden.scalar_type() == at::kBFloat16;
  if (!hidden.is_cpu() || !known || pooling == Pooling::kMax) {
    out = composed(hidden, packed, pooling);
  } else {
    State state{packed.sequences, weights_of(pooling, *packed.sequences), hidden.scalar_type()};
    const at::Tensor rows = hidden.contiguous();
    out = at::GradMode::is_enabled() && hidden.requires_grad()
              ? PoolFunction::apply(std::move(state), rows)
              : weighted_sums(state, rows);
  }
  if (!normalise) return out;
  constexpr double kSmallest = 1e-12;  // as torch.nn.functional.normalize
  return out / at::linalg_vector_norm(out, 2, at::IntArrayRef{1}, true).clamp_min(kSmallest);
}

}  // namespace bert
