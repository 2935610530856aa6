#include "functions.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_sparse_coo_tensor_unsafe.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/zeros.h>

#include <cstring>
#include <utility>

#include "autograd_state.h"
#include "trainhost/error.h"

namespace kgat {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

const float* data(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr<float>() : nullptr;
}
float* mutable_data(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.data_ptr<float>() : nullptr;
}

void expect(const at::Tensor& tensor, at::IntArrayRef sizes, const char* name) {
  if (tensor.defined() && tensor.scalar_type() == at::kFloat && tensor.device().is_cpu() &&
      tensor.is_contiguous() && tensor.sizes() == sizes) {
    return;
  }
  const auto text = [](at::IntArrayRef shape) {
    std::string out = "[";
    for (const std::int64_t size : shape) {
      out += (out.size() > 1 ? ", " : "") + std::to_string(size);
    }
    return out + "]";
  };
  throw trainhost::Error(
      trainhost::Failure::kRun,
      {.where = "kgat",
       .what = std::string("tensor '") + name + "' does not fit",
       .expected = "contiguous float32 " + text(sizes) + " on the CPU",
       .got = tensor.defined() ? std::string(c10::toString(tensor.scalar_type())) + " " +
                                     text(tensor.sizes()) + " on " + tensor.device().str()
                               : "no tensor"});
}

at::Tensor copy_of(const std::vector<float>& values, at::IntArrayRef sizes) {
  at::Tensor out = at::empty(sizes, at::kFloat);
  std::copy(values.begin(), values.end(), out.data_ptr<float>());
  return out;
}

// ---------------------------------------------------------------------------------- propagation

struct LayerState {
  Adjacency adjacency;
  std::shared_ptr<const Frontier> frontier;
  int layer;
  LayerShape shape;
  Dropout dropout;
  Workspace workspace;
  bool save;
  at::Tensor neighbours, codes;  // saved for backward

  const Level& in() const { return frontier->level(static_cast<std::size_t>(layer) - 1); }
  const Level& out() const { return frontier->level(static_cast<std::size_t>(layer)); }
  const Level& batch() const { return frontier->batch(); }
  LayerPlace place() const {
    return {adjacency.graph.get(), &in(), &out(), data(adjacency.values)};
  }
  LayerSaved saved() const {
    return {mutable_data(neighbours), codes.defined() ? codes.data_ptr<std::uint8_t>() : nullptr};
  }
};

void copy_rows(const Level& level, const Level& batch, const float* x, std::ptrdiff_t columns,
               float* out) {
  for (std::int32_t i = 0; i < batch.size; ++i) {
    std::copy_n(x + std::ptrdiff_t{level.row(batch.node(i))} * columns, columns,
                out + std::ptrdiff_t{i} * columns);
  }
}

void add_rows(const Level& level, const Level& batch, const float* rows, std::ptrdiff_t columns,
              float* x) {
  for (std::int32_t i = 0; i < batch.size; ++i) {
    float* to = x + std::ptrdiff_t{level.row(batch.node(i))} * columns;
    const float* from = rows + std::ptrdiff_t{i} * columns;
    for (std::ptrdiff_t c = 0; c < columns; ++c) to[c] += from[c];
  }
}

/// A gradient that may be written to: the incoming one where nobody else holds it.
at::Tensor writable(const at::Tensor& gradient, std::int64_t rows, std::int64_t columns) {
  if (!gradient.defined()) return at::zeros({rows, columns}, at::kFloat);
  if (gradient.use_count() == 1 && gradient.storage().use_count() == 1 &&
      gradient.is_contiguous()) {
    return gradient;
  }
  return gradient.clone(at::MemoryFormat::Contiguous);
}

/// The tensors of a layer, in this order; w2 and b2 for bi alone.
enum Input : std::size_t { kX, kW1, kB1, kW2, kB2 };

LayerWeights weights_of(const LayerShape& shape, at::TensorList inputs) {
  if (!shape.two_products()) return {data(inputs[kW1]), data(inputs[kB1]), nullptr, nullptr};
  return {data(inputs[kW1]), data(inputs[kB1]), data(inputs[kW2]), data(inputs[kB2])};
}

struct LayerFunction : torch::autograd::Function<LayerFunction> {
  static variable_list forward(AutogradContext* context, LayerState state, at::TensorList inputs) {
    const LayerShape& shape = state.shape;
    const std::int64_t rows = state.out().size;
    const at::Tensor& x = inputs[kX];
    const at::Tensor y = state.workspace.floats(rows, shape.d_out);
    if (state.save) {
      state.neighbours = state.workspace.floats(rows, shape.d_in);
      state.codes = state.workspace.bytes(rows, shape.d_out);
    }
    layer_forward(state.place(), shape, weights_of(shape, inputs), state.dropout, data(x),
                  mutable_data(y), state.saved());
    const at::Tensor z = state.workspace.floats(state.batch().size, shape.d_out);
    normalise_rows(state.out(), state.batch(), data(y), shape.d_out, mutable_data(z));
    variable_list results{y, z};
    if (state.layer == 1) {
      results.push_back(state.workspace.floats(state.batch().size, shape.d_in));
      copy_rows(state.in(), state.batch(), data(x), shape.d_in, mutable_data(results.back()));
    }
    context->set_materialize_grads(false);
    if (state.save) {
      variable_list saved(inputs.begin(), inputs.end());
      saved.push_back(y);
      context->save_for_backward(std::move(saved));
      keep(context, std::move(state));
    }
    return results;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    LayerState& state = kept<LayerState>(context);
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[kX], &y = saved.back();
    const LayerShape& shape = state.shape;

    const at::Tensor gy = writable(gradients[0], state.out().size, shape.d_out);
    if (gradients[1].defined()) {
      const at::Tensor gz = gradients[1].contiguous();
      normalise_rows_backward(state.out(), state.batch(), data(y), data(gz), shape.d_out,
                              mutable_data(gy));
    }
    const at::Tensor gx = state.workspace.floats(state.in().size, shape.d_in);
    const LayerGradients weights = layer_backward(
        state.place(), shape, weights_of(shape, saved), state.dropout.scale(), data(x),
        state.saved(), data(state.adjacency.transposed), data(gy), mutable_data(gx));
    if (gradients.size() > 2 && gradients[2].defined()) {
      const at::Tensor rows = gradients[2].contiguous();
      add_rows(state.in(), state.batch(), data(rows), shape.d_in, mutable_data(gx));
    }
    const at::IntArrayRef sizes = saved[kW1].sizes();
    variable_list out{{}, gx, copy_of(weights.w1, sizes), copy_of(weights.b1, {shape.d_out})};
    if (shape.two_products()) {
      out.push_back(copy_of(weights.w2, sizes));
      out.push_back(copy_of(weights.b2, {shape.d_out}));
    }
    return out;
  }
};

// --------------------------------------------------------------------------------------- losses

struct CfState {
  std::shared_ptr<const CfRows> batch;
  double lambda;
  std::vector<std::int32_t> widths;
  std::vector<float> coefficients;
};

std::vector<const float*> pointers(const variable_list& parts) {
  std::vector<const float*> out;
  for (const at::Tensor& part : parts) out.push_back(data(part));
  return out;
}

struct CfLossFunction : torch::autograd::Function<CfLossFunction> {
  static at::Tensor forward(AutogradContext* context, CfState state, at::TensorList parts) {
    const variable_list list(parts.begin(), parts.end());
    const std::vector<const float*> rows = pointers(list);
    const double loss =
        cf_loss_forward(*state.batch, rows, state.widths, state.lambda, state.coefficients.data());
    context->save_for_backward(list);
    keep(context, std::move(state));
    return at::scalar_tensor(loss, at::kFloat);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    CfState& state = kept<CfState>(context);
    const variable_list parts = context->get_saved_variables();
    variable_list out{{}};
    std::vector<float*> targets;
    for (const at::Tensor& part : parts) {
      out.push_back(at::empty(part.sizes(), at::kFloat));
      targets.push_back(mutable_data(out.back()));
    }
    cf_loss_backward(*state.batch, pointers(parts), state.widths, state.lambda,
                     gradients[0].item<float>(), state.coefficients.data(),
                     static_cast<std::int32_t>(parts[0].size(0)), targets);
    return out;
  }
};

struct KgState {
  const KgBatch* batch;
  double lambda;
  TableGradient form;
  Workspace workspace;
  std::int64_t n_nodes = 0, d = 0, k = 0, n_relations = 0;
  KgGradients gradients;
};

at::Tensor scaled(const std::vector<float>& values, at::IntArrayRef sizes, float factor) {
  at::Tensor out = at::empty(sizes, at::kFloat);
  float* to = out.data_ptr<float>();
  for (std::size_t i = 0; i < values.size(); ++i) to[i] = values[i] * factor;
  return out;
}

at::Tensor dense_table(KgState& state, float factor) {
  const std::int64_t d = state.d;
  const at::Tensor out = state.workspace.floats(state.n_nodes, d);
  float* to = mutable_data(out);
  const std::vector<std::int32_t>& rows = state.gradients.rows;
#pragma omp parallel for schedule(static)
  for (std::int64_t node = 0; node < state.n_nodes; ++node) {
    std::memset(to + node * d, 0, static_cast<std::size_t>(d) * sizeof(float));
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const float* from = state.gradients.embeddings.data() + static_cast<std::ptrdiff_t>(i) * d;
    for (std::int64_t c = 0; c < d; ++c) to[rows[i] * d + c] = from[c] * factor;
  }
  return out;
}

at::Tensor sparse_table(const KgState& state, float factor) {
  const auto count = static_cast<std::int64_t>(state.gradients.rows.size());
  const at::Tensor indices = at::empty({1, count}, at::kLong);
  std::copy(state.gradients.rows.begin(), state.gradients.rows.end(),
            indices.data_ptr<std::int64_t>());
  return at::_sparse_coo_tensor_unsafe(
      indices, scaled(state.gradients.embeddings, {count, state.d}, factor),
      {state.n_nodes, state.d}, at::TensorOptions(at::kFloat), /*is_coalesced=*/true);
}

struct KgLossFunction : torch::autograd::Function<KgLossFunction> {
  static at::Tensor forward(AutogradContext* context, KgState state, const at::Tensor& embeddings,
                            const at::Tensor& relations, const at::Tensor& matrices) {
    state.n_nodes = embeddings.size(0);
    state.d = embeddings.size(1);
    state.k = relations.size(1);
    state.n_relations = relations.size(0);
    const TransR parameters{data(embeddings), data(relations), data(matrices),
                            static_cast<std::int32_t>(state.d), static_cast<std::int32_t>(state.k)};
    const double loss =
        kg_loss(*state.batch, parameters, static_cast<std::int32_t>(state.n_relations),
                state.lambda, state.gradients);
    keep(context, std::move(state));
    return at::scalar_tensor(loss, at::kFloat);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    KgState& state = kept<KgState>(context);
    const auto factor = gradients[0].item<float>();
    return {{},
            state.form == TableGradient::kDense ? dense_table(state, factor)
                                                : sparse_table(state, factor),
            scaled(state.gradients.relations, {state.n_relations, state.k}, factor),
            scaled(state.gradients.matrices, {state.n_relations, state.d, state.k}, factor)};
  }
};

void expect_table(const Graph& graph, const at::Tensor& embeddings, const at::Tensor& relations,
                  const at::Tensor& matrices) {
  const std::int64_t d = embeddings.defined() && embeddings.dim() == 2 ? embeddings.size(1) : 0;
  const std::int64_t k = relations.defined() && relations.dim() == 2 ? relations.size(1) : 0;
  expect(embeddings, {graph.n_nodes, d}, "entity_user_embed");
  expect(relations, {graph.n_relations, k}, "relation_embed");
  expect(matrices, {graph.n_relations, d, k}, "trans_M");
}

}  // namespace

Adjacency Adjacency::make(std::shared_ptr<const Graph> graph, at::Tensor values) {
  expect(values, {graph->n_edges()}, "attention values");
  at::Tensor transposed = at::empty({graph->n_edges()}, at::kFloat);
  transpose_values(*graph, data(values), mutable_data(transposed));
  return {std::move(graph), std::move(values), std::move(transposed)};
}

LayerResult propagate_layer(const Adjacency& adjacency, std::shared_ptr<const Frontier> frontier,
                            int layer, const LayerShape& shape, const Dropout& dropout,
                            const LayerParameters& parameters, const at::Tensor& x,
                            Workspace& workspace) {
  const auto& [w1, b1, w2, b2] = parameters;
  expect(x, {frontier->level(static_cast<std::size_t>(layer) - 1).size, shape.d_in}, "x");
  expect(w1, {shape.d_out, shape.depth()}, "w1");
  expect(b1, {shape.d_out}, "b1");
  if (shape.two_products()) {
    expect(w2, {shape.d_out, shape.depth()}, "w2");
    expect(b2, {shape.d_out}, "b2");
  }
  const bool save = at::GradMode::is_enabled() && (x.requires_grad() || w1.requires_grad());
  LayerState state{adjacency, std::move(frontier), layer, shape, dropout, workspace, save, {}, {}};
  variable_list inputs{x, w1, b1};
  if (shape.two_products()) inputs.insert(inputs.end(), {w2, b2});
  const variable_list out = LayerFunction::apply(std::move(state), at::TensorList(inputs));
  return {out[0], out[1], layer == 1 ? out[2] : at::Tensor()};
}

std::vector<std::int32_t> nodes_of(const Graph& graph, const CfBatch& batch) {
  std::vector<std::int32_t> nodes;
  nodes.reserve(3 * batch.users.size());
  for (const std::int32_t user : batch.users) nodes.push_back(graph.user_node(user));
  nodes.insert(nodes.end(), batch.positives.begin(), batch.positives.end());
  nodes.insert(nodes.end(), batch.negatives.begin(), batch.negatives.end());
  return nodes;
}

CfRows rows_of(const Graph& graph, const Frontier& frontier, const CfBatch& batch) {
  CfRows out;
  const Level& level = frontier.batch();
  for (const std::int32_t user : batch.users) out.users.push_back(level.row(graph.user_node(user)));
  for (const std::int32_t item : batch.positives) out.positives.push_back(level.row(item));
  for (const std::int32_t item : batch.negatives) out.negatives.push_back(level.row(item));
  return out;
}

at::Tensor cf_loss_sum(std::shared_ptr<const CfRows> batch, double lambda,
                       const std::vector<at::Tensor>& parts) {
  CfState state{std::move(batch), lambda, {}, {}};
  state.coefficients.resize(state.batch->users.size());
  for (const at::Tensor& part : parts) {
    expect(part, {parts[0].size(0), part.size(1)}, "part of the score");
    state.widths.push_back(static_cast<std::int32_t>(part.size(1)));
  }
  return CfLossFunction::apply(std::move(state), at::TensorList(parts));
}

at::Tensor kg_loss_sum(const KgBatch& batch, double lambda, TableGradient form,
                       const at::Tensor& embeddings, const at::Tensor& relations,
                       const at::Tensor& matrices, Workspace& workspace) {
  const std::int64_t n_relations = relations.defined() ? relations.size(0) : 0;
  expect(embeddings, {embeddings.size(0), embeddings.size(1)}, "entity_user_embed");
  expect(relations, {n_relations, relations.size(1)}, "relation_embed");
  expect(matrices, {n_relations, embeddings.size(1), relations.size(1)}, "trans_M");
  KgState state{&batch, lambda, form, workspace, 0, 0, 0, 0, {}};
  return KgLossFunction::apply(std::move(state), embeddings, relations, matrices);
}

at::Tensor attention(const Graph& graph, const at::Tensor& embeddings, const at::Tensor& relations,
                     const at::Tensor& matrices) {
  expect_table(graph, embeddings, relations, matrices);
  at::Tensor values = at::empty({graph.n_edges()}, at::kFloat);
  attention_values(
      graph,
      {data(embeddings), data(relations), data(matrices),
       static_cast<std::int32_t>(embeddings.size(1)), static_cast<std::int32_t>(relations.size(1))},
      mutable_data(values));
  return values;
}

}  // namespace kgat
