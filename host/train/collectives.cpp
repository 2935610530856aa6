#include "host/train/collectives.h"

#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <numeric>
#include <string>
#include <vector>

#include "trainhost/error.h"

namespace trainhost::train {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::Variable;
using torch::autograd::variable_list;
using Counts = std::vector<std::int64_t>;

/// Elements for each rank, from rows and the size of a row.
Counts element_counts(const at::Tensor& like, const Counts& rows_of) {
  std::int64_t row = 1;
  for (std::int64_t d = 1; d < like.dim(); ++d) row *= like.size(d);
  Counts counts(rows_of);
  for (std::int64_t& count : counts) count *= row;
  return counts;
}

at::Tensor with_rows(const at::Tensor& like, std::int64_t rows) {
  auto shape = like.sizes().vec();
  shape[0] = rows;
  return at::empty(shape, like.options());
}

at::Tensor gather(Communicator& communicator, const at::Tensor& rows, const Counts& rows_of) {
  at::Tensor output =
      with_rows(rows, std::accumulate(rows_of.begin(), rows_of.end(), std::int64_t{0}));
  wait(communicator.all_gather(output, rows.contiguous(), element_counts(rows, rows_of),
                               Traffic::kModel));
  return output;
}

at::Tensor scatter(Communicator& communicator, const at::Tensor& rows, const Counts& rows_of) {
  at::Tensor output = with_rows(rows, rows_of[communicator.rank()]);
  // The operation may use its input as scratch, and this one may belong to the graph.
  wait(communicator.reduce_scatter(output, rows.clone(at::MemoryFormat::Contiguous),
                                   element_counts(rows, rows_of), ReduceOp::kSum, Traffic::kModel));
  return output;
}

/// The collectives of a node of the graph; in backward, until its own has run.
ModelCollectives& owner_of(AutogradContext* context) {
  return *reinterpret_cast<ModelCollectives*>(context->saved_data["owner"].toInt());
}

Communicator& save(AutogradContext* context, std::int64_t owner, const Counts& rows_of) {
  context->saved_data["owner"] = owner;
  context->saved_data["rows_of"] = rows_of;
  return owner_of(context).communicator();
}

/// Runs a node's backward: `operation` is its collective.
template <class Operation>
Variable run_backward(AutogradContext* context, Operation&& operation) {
  ModelCollectives& owner = owner_of(context);
  Variable gradient = operation(owner.communicator(), context->saved_data["rows_of"].toIntVector());
  owner.done();
  return gradient;
}

at::Tensor sum(Communicator& communicator, const at::Tensor& value) {
  at::Tensor output = value.clone(at::MemoryFormat::Contiguous);
  wait(communicator.all_reduce(output, ReduceOp::kSum, Traffic::kModel));
  return output;
}

struct AllGather : Function<AllGather> {
  static Variable forward(AutogradContext* context, const Variable& rows, std::int64_t owner,
                          const Counts& rows_of) {
    return gather(save(context, owner, rows_of), rows, rows_of);
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    return {run_backward(context,
                         [&](Communicator& communicator, const Counts& rows_of) {
                           return scatter(communicator, gradients[0], rows_of);
                         }),
            Variable(), Variable()};
  }
};

struct ReduceScatter : Function<ReduceScatter> {
  static Variable forward(AutogradContext* context, const Variable& rows, std::int64_t owner,
                          const Counts& rows_of) {
    return scatter(save(context, owner, rows_of), rows, rows_of);
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    return {run_backward(context,
                         [&](Communicator& communicator, const Counts& rows_of) {
                           return gather(communicator, gradients[0], rows_of);
                         }),
            Variable(), Variable()};
  }
};

struct AllReduce : Function<AllReduce> {
  static Variable forward(AutogradContext* context, const Variable& value, std::int64_t owner) {
    return sum(save(context, owner, {}), value);
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    return {run_backward(context, [&](Communicator& communicator,
                                      const Counts&) { return sum(communicator, gradients[0]); }),
            Variable()};
  }
};

Counts checked(const Communicator& communicator, const at::Tensor& rows,
               std::span<const std::int64_t> rows_of, std::int64_t expected) {
  if (static_cast<int>(rows_of.size()) != communicator.world() || rows.dim() < 1 ||
      rows.size(0) != expected) {
    throw Error(Failure::kPlugin,
                {.where = "a collective of Execution",
                 .what = "the row counts do not fit the tensor",
                 .expected = std::to_string(communicator.world()) + " counts, " +
                             std::to_string(expected) + " rows on this rank",
                 .got = std::to_string(rows_of.size()) + " counts, " +
                        (rows.dim() < 1 ? std::string("a scalar")
                                        : std::to_string(rows.size(0)) + " rows")});
  }
  return {rows_of.begin(), rows_of.end()};
}

/// What a node keeps; counts it where it will have a backward.
std::int64_t record(ModelCollectives* collectives, const at::Tensor& input) {
  if (c10::GradMode::is_enabled() && input.requires_grad()) collectives->recorded();
  return reinterpret_cast<std::int64_t>(collectives);
}

}  // namespace

at::Tensor ModelCollectives::all_gather(const at::Tensor& rows,
                                        std::span<const std::int64_t> rows_of) {
  const auto rank = static_cast<std::size_t>(communicator_.rank());
  const std::int64_t mine = rank < rows_of.size() ? rows_of[rank] : -1;
  const Counts counts = checked(communicator_, rows, rows_of, mine);
  return AllGather::apply(rows, record(this, rows), counts);
}

at::Tensor ModelCollectives::reduce_scatter(const at::Tensor& rows,
                                            std::span<const std::int64_t> rows_of) {
  const std::int64_t all = std::accumulate(rows_of.begin(), rows_of.end(), std::int64_t{0});
  const Counts counts = checked(communicator_, rows, rows_of, all);
  return ReduceScatter::apply(rows, record(this, rows), counts);
}

at::Tensor ModelCollectives::all_reduce(const at::Tensor& value) {
  return AllReduce::apply(value, record(this, value));
}

}  // namespace trainhost::train
