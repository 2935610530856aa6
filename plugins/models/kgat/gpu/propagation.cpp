// One propagation layer (equations 3, 6 to 9): the sparse product, LibTorch's two dense products,
// and what lies between.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

#include "autograd_state.h"
#include "gpu/differentiable.h"
#include "gpu/tensors.h"

namespace kgat::gpu {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct LayerState {
  GraphPointer graph;
  Values values;
  BatchPointer batch;
  int layer;
  LayerShape shape;
  Dropout dropout;
  bool save;
  at::Tensor neighbours, codes;  // saved for backward

  const Rows& in() const { return batch->level(layer - 1); }
  const Rows& out() const { return batch->level(layer); }
  at::Tensor floats(std::int64_t rows, std::int64_t columns) const {
    return gpu::floats(graph->device(), {rows, columns});
  }
  template <class Work>
  void run(const char* (*Table::*operation)(const Work&, int), const Work& work,
           const char* name) const {
    check((graph->table().*operation)(work, graph->index()), name, graph->device());
  }
};

Combination combination_of(const LayerShape& shape) {
  if (shape.aggregator == Aggregator::kGraphSage) return Combination::kConcatenation;
  return shape.two_products() ? Combination::kBi : Combination::kSum;
}

/// out (+)= the rows of `rows` times x, whose rows are those of `columns`.
void multiply(const LayerState& state, const at::Tensor& values, const Rows& rows,
              const Rows& columns, const at::Tensor& x, const at::Tensor& out, bool add) {
  const at::Tensor partial = state.floats(rows.n_segments, x.size(1));
  const SparseProduct work{state.graph->offsets(),
                           state.graph->tails(),
                           data(values),
                           rows,
                           columns.positions,
                           static_cast<std::int32_t>(x.size(1)),
                           data(x),
                           mutable_data(partial),
                           mutable_data(out),
                           add};
  state.run(&Table::sparse_product, work, "sparse_product");
}

/// The inputs of the dense products; the second is undefined but for bi.
struct Inputs {
  at::Tensor in1, in2;
  Combine work;

  Inputs(const LayerState& state, const at::Tensor& x) {
    const LayerShape& shape = state.shape;
    const Rows& out = state.out();
    in1 = state.floats(out.size, shape.depth());
    if (shape.two_products()) in2 = state.floats(out.size, shape.d_in);
    work = {combination_of(shape),
            out.size,
            shape.d_in,
            out.nodes,
            state.in().positions,
            data(x),
            data(state.neighbours),
            mutable_data(in1),
            mutable_data(in2)};
    state.run(&Table::combine, work, "combine");
  }
};

/// The tensors of a layer, in this order; w2 and b2 for bi alone.
enum Input : std::size_t { kX, kW1, kB1, kW2, kB2 };

void activate(const LayerState& state, at::TensorList inputs, const at::Tensor& p1,
              const at::Tensor& p2, const at::Tensor& y) {
  const bool two = state.shape.two_products();
  const auto key = state.dropout.random.key();
  const Activate work{
      state.out().size,
      state.shape.d_out,
      state.out().nodes,
      data(p1),
      data(inputs[kB1]),
      data(p2),
      two ? data(inputs[kB2]) : nullptr,
      state.shape.slope,
      state.dropout.scale(),
      state.dropout.threshold,
      {key[0], key[1]},
      state.dropout.step,
      state.dropout.layer,
      mutable_data(y),
      state.codes.defined() ? state.codes.mutable_data_ptr<std::uint8_t>() : nullptr};
  state.run(&Table::activate, work, "activate");
}

/// A gradient that may be written to: the incoming one where nobody else holds it.
at::Tensor writable(const LayerState& state, const at::Tensor& gradient) {
  if (!gradient.defined()) {
    return at::zeros({state.out().size, state.shape.d_out},
                     at::TensorOptions(at::kFloat).device(state.graph->device()));
  }
  if (gradient.use_count() == 1 && gradient.storage().use_count() == 1 &&
      gradient.is_contiguous()) {
    return gradient;
  }
  return gradient.clone(at::MemoryFormat::Contiguous);
}

/// g := the gradients of one product: of its weights, its bias and its input.
void product_gradients(const at::Tensor& g, const at::Tensor& input, const at::Tensor& w,
                       variable_list& out, at::Tensor& g_input) {
  out.push_back(at::mm(g.t(), input));
  out.push_back(g.sum(0));
  g_input = at::mm(g, w);
}

struct LayerFunction : torch::autograd::Function<LayerFunction> {
  static variable_list forward(AutogradContext* context, LayerState state, at::TensorList inputs) {
    const WithoutAutocast guard;
    const LayerShape& shape = state.shape;
    const Rows &out = state.out(), &batch = state.batch->batch();
    const at::Tensor& x = inputs[kX];
    state.neighbours = state.floats(out.size, shape.d_in);
    multiply(state, state.values.values, out, state.in(), x, state.neighbours, false);
    const Inputs products(state, x);
    const at::Tensor p1 = at::mm(products.in1, inputs[kW1].t());
    const at::Tensor p2 =
        shape.two_products() ? at::mm(products.in2, inputs[kW2].t()) : at::Tensor();
    const at::Tensor y = state.floats(out.size, shape.d_out);
    if (state.save) {
      state.codes = at::empty({out.size, shape.d_out}, y.options().dtype(at::kByte));
    }
    activate(state, inputs, p1, p2, y);

    const at::Tensor z = state.floats(batch.size, shape.d_out);
    state.run(
        &Table::normalise,
        Normalise{batch.size, shape.d_out, batch.nodes, out.positions, data(y), mutable_data(z)},
        "normalise");
    variable_list results{y, z};
    if (state.layer == 1) {
      results.push_back(state.floats(batch.size, shape.d_in));
      state.run(&Table::take_rows,
                BatchRows{batch.size, shape.d_in, batch.nodes, state.in().positions, data(x),
                          mutable_data(results.back())},
                "take_rows");
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
    const WithoutAutocast guard;
    LayerState& state = kept<LayerState>(context);
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[kX], &y = saved.back();
    const LayerShape& shape = state.shape;
    const Rows &out = state.out(), &in = state.in(), &batch = state.batch->batch();

    const at::Tensor gy = writable(state, gradients[0]);
    if (gradients[1].defined()) {
      const at::Tensor gz = gradients[1].contiguous();
      const AddRows rows{batch.size,    shape.d_out, batch.nodes,
                         out.positions, data(gz),    mutable_data(gy)};
      state.run(&Table::normalise_backward, NormaliseBackward{rows, data(y)}, "normalise_backward");
    }
    variable_list weights;
    const at::Tensor gx = input_gradients(state, saved, x, gy, weights);
    if (gradients.size() > 2 && gradients[2].defined()) {
      const at::Tensor rows = gradients[2].contiguous();
      state.run(
          &Table::add_rows,
          AddRows{batch.size, shape.d_in, batch.nodes, in.positions, data(rows), mutable_data(gx)},
          "add_rows");
    }
    variable_list results{{}, gx};
    results.insert(results.end(), weights.begin(), weights.end());
    return results;
  }

 private:
  /// The gradient of x; those of the weights are appended to `weights`.
  static at::Tensor input_gradients(const LayerState& state, const variable_list& saved,
                                    const at::Tensor& x, const at::Tensor& gy,
                                    variable_list& weights) {
    const LayerShape& shape = state.shape;
    const at::Tensor g1 = at::empty_like(gy);
    const at::Tensor g2 = shape.two_products() ? at::empty_like(gy) : at::Tensor();
    state.run(
        &Table::activate_backward,
        ActivateBackward{gy.numel(), data(gy), state.codes.const_data_ptr<std::uint8_t>(),
                         shape.slope, state.dropout.scale(), mutable_data(g1), mutable_data(g2)},
        "activate_backward");
    const Inputs products(state, x);
    at::Tensor g_in1, g_in2;
    product_gradients(g1, products.in1, saved[kW1], weights, g_in1);
    if (shape.two_products()) product_gradients(g2, products.in2, saved[kW2], weights, g_in2);

    // Rows of x that are not of the out level get a gradient from their neighbours alone.
    const at::Tensor gx =
        state.out().nodes == nullptr ? at::empty_like(x) : at::zeros(x.sizes(), x.options());
    const at::Tensor g_neighbours = at::empty_like(state.neighbours);
    state.run(&Table::separate,
              Separate{products.work, data(g_in1), data(g_in2), mutable_data(gx),
                       mutable_data(g_neighbours)},
              "separate");
    multiply(state, state.values.transposed, state.in(), state.out(), g_neighbours, gx, true);
    return gx;
  }
};

}  // namespace

LayerResult propagate_layer(const GraphPointer& graph, const Values& values,
                            const BatchPointer& batch, int layer, const LayerShape& shape,
                            const Dropout& dropout, const LayerParameters& parameters,
                            const at::Tensor& x) {
  const auto& [w1, b1, w2, b2] = parameters;
  const at::Device device = graph->device();
  expect(x, {batch->level(layer - 1).size, shape.d_in}, device, "x");
  expect(w1, {shape.d_out, shape.depth()}, device, "w1");
  expect(b1, {shape.d_out}, device, "b1");
  if (shape.two_products()) {
    expect(w2, {shape.d_out, shape.depth()}, device, "w2");
    expect(b2, {shape.d_out}, device, "b2");
  }
  const bool save = at::GradMode::is_enabled() && (x.requires_grad() || w1.requires_grad());
  LayerState state{graph, values, batch, layer, shape, dropout, save, {}, {}};
  variable_list inputs{x, w1, b1};
  if (shape.two_products()) inputs.insert(inputs.end(), {w2, b2});
  const variable_list out = LayerFunction::apply(std::move(state), at::TensorList(inputs));
  return {out[0], out[1], layer == 1 ? out[2] : at::Tensor()};
}

}  // namespace kgat::gpu
