#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include "bert/autograd.h"
#include "bert/fused.h"
#include "bert/kernels/rows.h"

namespace bert::fused {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct State {
  EmbeddingPass pass;
  at::ScalarType type;
  bool save;
  at::Tensor statistics;  // [2, tokens]: mean, 1 / deviation

  kernels::Extent extent() const { return {pass.packed.ids.size(0), pass.config.hidden}; }
  kernels::Tables tables(at::TensorList parameters) const {
    return {const_floats(parameters[kWords]),
            const_floats(parameters[kPositions]),
            const_floats(parameters[kTypes]),
            pass.packed.ids.const_data_ptr<std::int64_t>(),
            pass.packed.positions.const_data_ptr<std::int64_t>(),
            kinds()};
  }
  const std::int64_t* kinds() const {
    return pass.packed.types.defined() ? pass.packed.types.const_data_ptr<std::int64_t>() : nullptr;
  }
  kernels::Statistics rows() const {
    if (!statistics.defined()) return {nullptr, nullptr};
    return {floats(statistics), floats(statistics) + statistics.size(1)};
  }
};

/// Ids index tables without a further look.
void check(const State& state, at::TensorList parameters) {
  const auto within = [](const at::Tensor& ids, const at::Tensor& table, const char* what) {
    if (!ids.defined()) return;
    const auto* values = ids.const_data_ptr<std::int64_t>();
    const std::int64_t rows = table.size(0);
    for (std::int64_t i = 0; i < ids.numel(); ++i) {
      if (values[i] >= 0 && values[i] < rows) continue;
      throw trainhost::Error(trainhost::Failure::kRun,
                             {.where = "bert",
                              .what = std::string(what) + " beyond the encoder's table",
                              .expected = "0 to " + std::to_string(rows - 1),
                              .got = std::to_string(values[i]),
                              .fix = {}});
    }
  };
  within(state.pass.packed.ids, parameters[kWords], "a token id");
  within(state.pass.packed.positions, parameters[kPositions], "a position");
  within(state.pass.packed.types, parameters[kTypes], "a token type");
}

at::Tensor forward(State& state, at::TensorList parameters) {
  check(state, parameters);
  const kernels::Extent extent = state.extent();
  if (state.save) state.statistics = at::empty({2, extent.rows}, at::TensorOptions(at::kFloat));
  const at::Tensor y = at::empty({extent.rows, extent.columns}, at::TensorOptions(state.type));
  const std::vector<std::uint64_t> keys = token_keys(*state.pass.packed.sequences);
  const kernels::Norm norm{const_floats(parameters[kEmbeddingNorm]),
                           const_floats(parameters[kEmbeddingNormBias]),
                           static_cast<float>(state.pass.config.layer_norm_epsilon)};
  by_type(state.type, [&]<class T>(T*) {
    kernels::embed(extent, state.tables(parameters), norm,
                   {state.pass.dropout.embeddings(), keys.data()}, y.data_ptr<T>(), state.rows());
  });
  return y;
}

struct EmbedFunction : torch::autograd::Function<EmbedFunction> {
  static at::Tensor forward(AutogradContext* context, State state, at::TensorList parameters) {
    const at::Tensor y = fused::forward(state, parameters);
    context->save_for_backward(variable_list(parameters.begin(), parameters.end()));
    keep(context, std::move(state));
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const State state = take<State>(context);
    const variable_list parameters = context->get_saved_variables();
    const kernels::Extent extent = state.extent();
    variable_list out{{}};
    for (const at::Tensor& parameter : parameters) {
      out.push_back(at::zeros(parameter.sizes(), parameter.options()));
    }
    const at::Tensor sum = at::empty({extent.rows, extent.columns}, at::TensorOptions(at::kFloat));
    const at::Tensor gradient = gradients[0].to(state.type).contiguous();
    const std::vector<std::uint64_t> keys = token_keys(*state.pass.packed.sequences);
    const kernels::Tables tables = state.tables(parameters);
    by_type(state.type, [&]<class T>(T*) {
      kernels::embed_backward(
          extent, tables, gradient.const_data_ptr<T>(), state.rows(),
          const_floats(parameters[kEmbeddingNorm]), {state.pass.dropout.embeddings(), keys.data()},
          floats(sum),
          {floats(out[1 + kEmbeddingNorm]), floats(out[1 + kEmbeddingNormBias]), nullptr});
    });
    kernels::scatter_add(extent, floats(sum), tables.ids, floats(out[1 + kWords]));
    kernels::scatter_add(extent, floats(sum), tables.places, floats(out[1 + kPositions]));
    kernels::scatter_add(extent, floats(sum), tables.kinds, floats(out[1 + kTypes]));
    return out;
  }
};

}  // namespace

at::Tensor embed(const EmbeddingPass& pass, at::ScalarType type,
                 const trainhost::UnitTensors& unit) {
  variable_list parameters;
  bool learns = false;
  for (std::size_t p = 0; p < kEmbeddingParameters; ++p) {
    parameters.push_back(unit.parameter(p));
    learns = learns || parameters.back().requires_grad();
  }
  State state{pass, type, learns && at::GradMode::is_enabled(), {}};
  if (!state.save) return forward(state, parameters);
  return EmbedFunction::apply(std::move(state), at::TensorList(parameters));
}

}  // namespace bert::fused
