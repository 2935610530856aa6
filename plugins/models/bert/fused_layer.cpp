#include <ATen/core/grad_mode.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>

#include <algorithm>
#include <bit>

#include "bert/autograd.h"
#include "bert/fused.h"
#include "bert/kernels/attention.h"
#include "bert/kernels/rows.h"

namespace bert::fused {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// oneDNN, which multiplies in bf16, makes machine code for every shape that it meets: rows of
/// zeros are added, at most a sixteenth of them, so that few shapes occur.
std::int64_t rows_of(std::int64_t tokens, at::ScalarType type) {
  if (type != at::kBFloat16 || tokens == 0) return tokens;
  const auto ceiling = std::bit_ceil(static_cast<std::uint64_t>(tokens));
  const std::int64_t step = std::max<std::int64_t>(32, static_cast<std::int64_t>(ceiling / 32));
  return (tokens + step - 1) / step * step;
}

struct State {
  LayerPass pass;
  at::ScalarType type;
  bool save;
  std::vector<std::uint64_t> keys;
  // Saved for backward; products before their bias. Matrices of rows_of(tokens) rows.
  at::Tensor x{}, qkv{}, attention_rows{}, context{}, up{};
  at::Tensor sum1{}, middle{}, sum2{};  // before the first LayerNorm, after it, before the second
  at::Tensor statistics{};              // [4, tokens]: mean, 1 / deviation of both

  std::int64_t tokens() const { return pass.sequences->tokens(); }
  kernels::Extent extent() const { return {tokens(), pass.config.hidden}; }
  kernels::Extent wide() const { return {tokens(), pass.config.intermediate}; }
  kernels::Statistics rows(int norm) const {
    if (!statistics.defined()) return {nullptr, nullptr};
    float* first = floats(statistics) + 2 * norm * tokens();
    return {first, first + tokens()};
  }
  kernels::Attention attention(const at::Tensor& bias) const {
    return {pass.sequences.get(),
            pass.config.heads,
            pass.config.head_size(),
            const_floats(bias),
            pass.dropout.attention_weights(pass.layer),
            keys.data()};
  }
  kernels::RowMask mask1() const {
    return {pass.dropout.attention_output(pass.layer), keys.data()};
  }
  kernels::RowMask mask2() const { return {pass.dropout.output(pass.layer), keys.data()}; }
  std::int64_t matrix_rows() const { return rows_of(tokens(), type); }
  /// To be filled in the rows of tokens; the others are zero.
  at::Tensor matrix(std::int64_t columns) const {
    const at::Tensor out = at::empty({matrix_rows(), columns}, at::TensorOptions(type));
    if (matrix_rows() > tokens()) out.narrow(0, tokens(), matrix_rows() - tokens()).zero_();
    return out;
  }
  at::Tensor matrix_of(const at::Tensor& rows) const {
    if (matrix_rows() == tokens()) return rows;
    const at::Tensor out = matrix(rows.size(1));
    out.narrow(0, 0, tokens()).copy_(rows);
    return out;
  }
  at::Tensor rows_of_tokens(const at::Tensor& matrix) const {
    return matrix.narrow(0, 0, tokens());
  }
  /// x · wᵀ.
  at::Tensor product(const at::Tensor& x, const at::Tensor& w) const {
    at::Tensor out = at::empty({x.size(0), w.size(0)}, at::TensorOptions(type));
    at::mm_out(out, x, w.to(type).t());
    return out;
  }
  /// y · w: the gradient of x from that of x · wᵀ.
  at::Tensor product_back(const at::Tensor& y, const at::Tensor& w) const {
    at::Tensor out = at::empty({y.size(0), w.size(1)}, at::TensorOptions(type));
    at::mm_out(out, y, w.to(type));
    return out;
  }
  kernels::Norm norm(at::TensorList inputs, std::size_t weight) const;
};

/// The inputs of a layer: x, then the parameters.
at::Tensor parameter(at::TensorList inputs, std::size_t index) { return inputs[1 + index]; }

kernels::Norm State::norm(at::TensorList inputs, std::size_t weight) const {
  return {const_floats(parameter(inputs, weight)), const_floats(parameter(inputs, weight + 1)),
          static_cast<float>(pass.config.layer_norm_epsilon)};
}

template <class T>
at::Tensor forward(State& state, at::TensorList inputs) {
  state.x = state.matrix_of(inputs[0]);
  const auto weight = [&](std::size_t index) { return parameter(inputs, index); };
  const auto bias = [&](std::size_t index) { return const_floats(parameter(inputs, index)); };
  if (state.save) {
    const auto options = at::TensorOptions(at::kFloat);
    state.statistics = at::empty({4, state.tokens()}, options);
    state.attention_rows = at::empty({state.tokens(), state.pass.config.heads, 2}, options);
  }
  state.qkv = state.product(state.x, weight(kQkv));
  state.context = state.matrix(state.pass.config.hidden);
  kernels::attend(state.attention(weight(kQkvBias)), state.qkv.const_data_ptr<T>(),
                  state.context.data_ptr<T>(), floats(state.attention_rows));
  if (!state.save) state.qkv.reset();
  state.sum1 = state.product(state.context, weight(kOutput));
  state.middle = state.matrix(state.pass.config.hidden);
  kernels::residual_norm(state.extent(), bias(kOutputBias), state.mask1(),
                         state.x.const_data_ptr<T>(), state.norm(inputs, kNorm1),
                         state.sum1.data_ptr<T>(), state.middle.data_ptr<T>(), state.rows(0));
  state.up = state.product(state.middle, weight(kUp));
  at::Tensor active = state.save ? state.matrix(state.pass.config.intermediate) : state.up;
  kernels::gelu(state.wide(), state.up.const_data_ptr<T>(), bias(kUpBias), active.data_ptr<T>());
  state.sum2 = state.product(active, weight(kDown));
  const at::Tensor y = state.matrix(state.pass.config.hidden);
  kernels::residual_norm(state.extent(), bias(kDownBias), state.mask2(),
                         state.middle.const_data_ptr<T>(), state.norm(inputs, kNorm2),
                         state.sum2.data_ptr<T>(), y.data_ptr<T>(), state.rows(1));
  return state.rows_of_tokens(y);
}

/// yᵀ · x: the gradient of w from that of x · wᵀ.
at::Tensor weight_gradient(const at::Tensor& y, const at::Tensor& x) {
  return at::mm(y.t(), x).to(at::kFloat);
}

template <class T>
struct Backward {
  State& state;
  const variable_list& parameters;
  variable_list& out;  // nothing for the state, then x and the parameters

  const at::Tensor& weight(std::size_t index) const { return parameters[index]; }
  at::Tensor& gradient(std::size_t index) const { return out[2 + index]; }
  float* row_gradient(std::size_t index) const {
    gradient(index) = at::empty(weight(index).sizes(), at::TensorOptions(at::kFloat));
    return floats(gradient(index));
  }
  const T* data(const at::Tensor& tensor) const {
    return tensor.defined() ? tensor.const_data_ptr<T>() : nullptr;
  }

  /// Through a residual sum and its LayerNorm: the gradients of the sum and of the product in it.
  struct Sum {
    at::Tensor sum, product;
  };
  Sum residual(int norm, const at::Tensor& first, const at::Tensor& second) const {
    const kernels::RowMask mask = norm == 0 ? state.mask1() : state.mask2();
    const std::size_t weights = norm == 0 ? kNorm1 : kNorm2;
    const std::size_t bias = norm == 0 ? kOutputBias : kDownBias;
    const std::int64_t hidden = state.pass.config.hidden;
    Sum out{state.matrix(hidden), mask.mask.any() ? state.matrix(hidden) : at::Tensor()};
    kernels::residual_norm_backward<T>(
        state.extent(), data(first), data(second), data(norm == 0 ? state.sum1 : state.sum2),
        state.rows(norm), const_floats(weight(weights)), mask, out.sum.template data_ptr<T>(),
        out.product.defined() ? out.product.template data_ptr<T>() : nullptr,
        {row_gradient(weights), row_gradient(weights + 1), row_gradient(bias)});
    if (!out.product.defined()) out.product = out.sum;
    return out;
  }

  /// The feed-forward half: the gradients of its residual input and of the product's.
  Sum feed_forward(const at::Tensor& dy) const {
    const Sum second = residual(1, dy, {});
    state.sum2.reset();
    const at::Tensor wide = state.product_back(second.product, weight(kDown));
    const at::Tensor active = state.matrix(state.pass.config.intermediate);
    kernels::gelu_backward(state.wide(), data(state.up), const_floats(weight(kUpBias)),
                           wide.data_ptr<T>(), active.data_ptr<T>(), row_gradient(kUpBias));
    state.up.reset();
    gradient(kDown) = weight_gradient(second.product, active);
    gradient(kUp) = weight_gradient(wide, state.middle);
    return {second.sum, state.product_back(wide, weight(kUp))};
  }

  /// The attention half: the gradient of x.
  at::Tensor attention(const Sum& middle) const {
    const Sum first = residual(0, middle.sum, middle.product);
    gradient(kOutput) = weight_gradient(first.product, state.context);
    const at::Tensor context = state.product_back(first.product, weight(kOutput));
    const at::Tensor qkv = state.matrix(3 * state.pass.config.hidden);
    kernels::attend_backward(state.attention(weight(kQkvBias)), data(state.qkv),
                             const_floats(state.attention_rows), data(context), qkv.data_ptr<T>());
    kernels::column_sums({state.tokens(), qkv.size(1)}, data(qkv), row_gradient(kQkvBias));
    gradient(kQkv) = weight_gradient(qkv, state.x);
    at::Tensor x = first.sum;
    at::addmm_out(x, x, qkv, weight(kQkv).to(state.type));
    return state.rows_of_tokens(x);
  }

  void run(const at::Tensor& dy) const { out[1] = attention(feed_forward(dy)); }
};

struct LayerFunction : torch::autograd::Function<LayerFunction> {
  static at::Tensor forward(AutogradContext* context, State state, at::TensorList inputs) {
    const at::Tensor y =
        by_type(state.type, [&]<class T>(T*) { return fused::forward<T>(state, inputs); });
    context->save_for_backward(variable_list(inputs.begin() + 1, inputs.end()));
    keep(context, std::move(state));
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    State state = take<State>(context);
    const variable_list parameters = context->get_saved_variables();
    variable_list out(2 + parameters.size());
    const at::Tensor dy = gradients[0].to(state.type).contiguous();
    by_type(state.type, [&]<class T>(T*) { Backward<T>{state, parameters, out}.run(dy); });
    return out;
  }
};

}  // namespace

at::Tensor encode_layer(const LayerPass& pass, at::ScalarType type,
                        const trainhost::UnitTensors& unit, const at::Tensor& x) {
  variable_list inputs{x.to(type).contiguous()};
  bool learns = x.requires_grad();
  for (std::size_t p = 0; p < kLayerParameters; ++p) {
    inputs.push_back(unit.parameter(p));
    learns = learns || inputs.back().requires_grad();
  }
  State state{pass, type, learns && at::GradMode::is_enabled(), token_keys(*pass.sequences)};
  if (state.save) return LayerFunction::apply(std::move(state), at::TensorList(inputs));
  return by_type(type, [&]<class T>(T*) { return forward<T>(state, inputs); });
}

}  // namespace bert::fused
