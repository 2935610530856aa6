// The two losses and the attention (equations 1, 2, 4, 5, 12, 13).
#include <ATen/TensorOperators.h>
#include <ATen/ops/_sparse_coo_tensor_unsafe.h>
#include <ATen/ops/cat.h>

#include "autograd_state.h"
#include "gpu/differentiable.h"
#include "gpu/tensors.h"

namespace kgat::gpu {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

template <class Work>
void run(const DeviceGraph& graph, const char* (*Table::*operation)(const Work&, int),
         const Work& work, const char* name) {
  check((graph.table().*operation)(work, graph.index()), name, graph.device());
}

at::Tensor doubles(const DeviceGraph& graph, std::int64_t size) {
  return at::empty({size}, at::TensorOptions(at::kDouble).device(graph.device()));
}

// ------------------------------------------------------------------------------------------- CF

struct CfState {
  GraphPointer graph;
  BatchPointer batch;
  double lambda;
  at::Tensor coefficients;

  CfForward work(const at::Tensor& vectors, double* losses) const {
    return {batch->n_samples,
            static_cast<std::int32_t>(vectors.size(1)),
            batch->users,
            batch->positives,
            batch->negatives,
            data(vectors),
            lambda,
            losses,
            mutable_data(coefficients)};
  }
};

struct CfLossFunction : torch::autograd::Function<CfLossFunction> {
  static at::Tensor forward(AutogradContext* context, CfState state, const at::Tensor& vectors) {
    const DeviceGraph& graph = *state.graph;
    const at::Tensor losses = doubles(graph, state.batch->n_samples);
    state.coefficients = floats(graph.device(), {state.batch->n_samples});
    run(graph, &Table::cf_forward, state.work(vectors, losses.mutable_data_ptr<double>()),
        "cf_forward");
    context->save_for_backward({vectors});
    keep(context, std::move(state));
    return losses.sum().to(at::kFloat);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    CfState& state = kept<CfState>(context);
    const at::Tensor vectors = context->get_saved_variables()[0];
    const at::Tensor out = at::empty_like(vectors), factor = gradients[0].contiguous();
    const CfBackward work{state.work(vectors, nullptr),
                          static_cast<std::int32_t>(vectors.size(0)),
                          state.batch->offsets,
                          state.batch->occurrences,
                          data(factor),
                          mutable_data(out)};
    run(*state.graph, &Table::cf_backward, work, "cf_backward");
    return {{}, out};
  }
};

// ------------------------------------------------------------------------------------------- KG

struct KgState {
  GraphPointer graph;
  const KgPlan* plan;  // read in forward alone
  double lambda;
  TableGradient form;
  at::Tensor distinct, rows, relations, matrices;  // gradients, made in forward
  std::int64_t n_nodes = 0;
};

/// All of forward and backward but the loss's own factor: the projections are at hand.
struct KgPass {
  const KgState& state;
  const KgPlan& plan;
  const DeviceGraph& graph;
  at::Tensor packed;
  std::int32_t d, k;
  at::Tensor projected, relation_rows, losses;

  KgPass(const KgState& state_, const at::Tensor& embeddings, const at::Tensor& relations)
      : state(state_),
        plan(*state_.plan),
        graph(*state_.graph),
        packed(upload(plan.packed, graph.device())),
        d(static_cast<std::int32_t>(embeddings.size(1))),
        k(static_cast<std::int32_t>(relations.size(1))),
        projected(floats(graph.device(), {3 * plan.batch, k})),
        relation_rows(floats(graph.device(), {plan.batch, k})),
        losses(doubles(graph, plan.batch)) {}

  const Block* blocks(Range range) const {
    return reinterpret_cast<const Block*>(pointer(packed, range));
  }

  void losses_of(const at::Tensor& embeddings, const at::Tensor& relations,
                 const at::Tensor& matrices) const {
    run(graph, &Table::grouped_product,
        GroupedProduct{blocks(plan.blocks), plan.n_blocks, d, k, data(embeddings),
                       pointer(packed, plan.nodes), data(matrices), false, nullptr,
                       mutable_data(projected)},
        "TransR projection");
    run(graph, &Table::kg_rows,
        KgRows{plan.batch, k, pointer(packed, plan.relation_of), data(relations), state.lambda,
               mutable_data(projected), mutable_data(relation_rows),
               losses.mutable_data_ptr<double>()},
        "kg_rows");
  }

  /// The gradients of the embeddings' rows. [n_distinct, d]
  at::Tensor table_rows(const at::Tensor& matrices) const {
    const at::Tensor rows = floats(graph.device(), {3 * plan.batch, d});
    run(graph, &Table::grouped_product,
        GroupedProduct{blocks(plan.blocks), plan.n_blocks, k, d, data(projected), nullptr,
                       data(matrices), true, nullptr, mutable_data(rows)},
        "TransR projection, backward");
    const at::Tensor out = floats(graph.device(), {plan.n_distinct, d});
    run(graph, &Table::sum_rows,
        SumRows{plan.n_distinct, d, pointer(packed, plan.offsets),
                pointer(packed, plan.occurrences), data(rows), mutable_data(out)},
        "sum_rows");
    return out;
  }

  void parameter_gradients(const at::Tensor& embeddings, const at::Tensor& g_relations,
                           const at::Tensor& g_matrices) const {
    const at::Tensor partial = floats(graph.device(), {plan.n_pieces, d + 1, k});
    run(graph, &Table::kg_matrices,
        KgMatrices{blocks(plan.pieces), plan.n_pieces, d, k, pointer(packed, plan.nodes),
                   data(embeddings), data(projected), data(relation_rows), mutable_data(partial),
                   pointer(packed, plan.first_piece),
                   static_cast<std::int32_t>(g_relations.size(0)), mutable_data(g_matrices),
                   mutable_data(g_relations)},
        "kg_matrices");
  }
};

struct KgLossFunction : torch::autograd::Function<KgLossFunction> {
  static at::Tensor forward(AutogradContext* context, KgState state, const at::Tensor& embeddings,
                            const at::Tensor& relations, const at::Tensor& matrices) {
    const KgPass pass(state, embeddings, relations);
    pass.losses_of(embeddings, relations, matrices);
    state.n_nodes = embeddings.size(0);
    state.distinct =
        pass.packed.narrow(0, pass.plan.distinct.begin, pass.plan.distinct.size).to(at::kLong);
    state.rows = pass.table_rows(matrices);
    state.relations = at::empty_like(relations);
    state.matrices = at::empty_like(matrices);
    pass.parameter_gradients(embeddings, state.relations, state.matrices);
    const at::Tensor loss = pass.losses.sum().to(at::kFloat);
    keep(context, std::move(state));
    return loss;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    KgState& state = kept<KgState>(context);
    const at::Tensor& factor = gradients[0];
    const at::Tensor table = at::_sparse_coo_tensor_unsafe(
        state.distinct.unsqueeze(0), state.rows * factor, {state.n_nodes, state.rows.size(1)},
        state.rows.options().layout(at::kSparse), /*is_coalesced=*/true);
    return {{},
            state.form == TableGradient::kDense ? table.to_dense() : table,
            state.relations * factor,
            state.matrices * factor};
  }
};

}  // namespace

at::Tensor cf_loss_sum(const GraphPointer& graph, const BatchPointer& batch, double lambda,
                       const std::vector<at::Tensor>& parts) {
  for (const at::Tensor& part : parts) {
    expect(part, {batch->batch().size, part.size(1)}, graph->device(), "part of the score");
  }
  return CfLossFunction::apply(CfState{graph, batch, lambda, {}}, at::cat(parts, 1));
}

at::Tensor kg_loss_sum(const GraphPointer& graph, const KgPlan& plan, double lambda,
                       TableGradient form, const at::Tensor& embeddings,
                       const at::Tensor& relations, const at::Tensor& matrices) {
  const std::int64_t n_relations = graph->graph().n_relations, d = embeddings.size(-1),
                     k = relations.size(-1);
  expect(embeddings, {graph->graph().n_nodes, d}, graph->device(), "entity_user_embed");
  expect(relations, {n_relations, k}, graph->device(), "relation_embed");
  expect(matrices, {n_relations, d, k}, graph->device(), "trans_M");
  return KgLossFunction::apply(KgState{graph, &plan, lambda, form, {}, {}, {}, {}}, embeddings,
                               relations, matrices);
}

at::Tensor attention(const DeviceGraph& graph, const at::Tensor& embeddings,
                     const at::Tensor& relations, const at::Tensor& matrices) {
  const Graph& pattern = graph.graph();
  const auto d = static_cast<std::int32_t>(embeddings.size(-1));
  const auto k = static_cast<std::int32_t>(relations.size(-1));
  expect(embeddings, {pattern.n_nodes, d}, graph.device(), "entity_user_embed");
  expect(relations, {pattern.n_relations, k}, graph.device(), "relation_embed");
  expect(matrices, {pattern.n_relations, d, k}, graph.device(), "trans_M");
  const at::Tensor keys = floats(graph.device(), {pattern.n_groups(), k});
  run(graph, &Table::grouped_product,
      GroupedProduct{graph.query_blocks(), graph.n_query_blocks(), d, k, data(embeddings),
                     graph.query_heads(), data(matrices), false, data(relations),
                     mutable_data(keys)},
      "attention's keys");
  const at::Tensor queries = floats(graph.device(), {pattern.n_groups(), d});
  run(graph, &Table::grouped_product,
      GroupedProduct{graph.query_blocks(), graph.n_query_blocks(), k, d, data(keys), nullptr,
                     data(matrices), true, nullptr, mutable_data(queries)},
      "attention's queries");
  const at::Tensor values = floats(graph.device(), {pattern.n_edges()});
  run(graph, &Table::edge_logits,
      EdgeLogits{pattern.n_edges(), graph.tails(), graph.query_of(), d, data(embeddings),
                 data(queries), mutable_data(values)},
      "edge_logits");
  const Rows& all = graph.all_rows();
  run(graph, &Table::row_softmax,
      RowSoftmax{graph.offsets(), pattern.n_nodes, all.n_long, all.long_rows, mutable_data(values)},
      "row_softmax");
  return values;
}

}  // namespace kgat::gpu
