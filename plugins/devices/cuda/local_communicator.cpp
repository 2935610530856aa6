#include "cuda/local_communicator.h"

#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <utility>

#include "cuda/rank_order.h"
#include "trainhost/error.h"

namespace cuda {
namespace {

using trainhost::ReduceOp;
using trainhost::Traffic;
using trainhost::WorkHandle;

at::Tensor flat(const at::Tensor& tensor) { return tensor.detach().view(-1); }

}  // namespace

LocalCommunicator::LocalCommunicator(std::shared_ptr<LocalGroup> group, int rank, at::Device device,
                                     std::function<void()> settle)
    : group_(std::move(group)),
      checker_(group_->name(), rank, group_->world(), device),
      settle_(std::move(settle)) {}

at::Tensor LocalCommunicator::allocate(std::int64_t bytes) {
  if (bytes < 0) {
    throw trainhost::Error(trainhost::Failure::kRun,
                           {.where = "cuda group '" + checker_.group() + "', allocate",
                            .what = "a size is wrong",
                            .expected = "0 or more bytes",
                            .got = std::to_string(bytes)});
  }
  return at::zeros({bytes}, at::TensorOptions(at::kByte).device(checker_.device()));
}

void LocalCommunicator::show(const Description& what, const at::Tensor& tensor,
                             std::vector<std::int64_t> offsets) {
  group_->own(rank()) = {what, tensor.defined() ? flat(tensor) : tensor, std::move(offsets), {}};
  settle_();
  group_->meet(rank(), [this] { group_->require_agreement(rank()); });
}

void LocalCommunicator::meet() {
  settle_();
  group_->meet(rank());
}

/// Nobody reads this rank's tensors any more.
void LocalCommunicator::leave() {
  meet();
  group_->own(rank()).tensor.reset();
  group_->own(rank()).result.reset();
}

at::Tensor LocalCommunicator::reduced(std::int64_t begin, std::int64_t count, ReduceOp op) const {
  std::vector<at::Tensor> parts;
  for (int other = 0; other < world(); ++other) {
    parts.push_back(group_->of(other).tensor.narrow(0, begin, count).to(checker_.device()));
  }
  return reduce_in_rank_order(parts, op);
}

/// Each rank reduces its part, then takes the others' parts.
WorkHandle LocalCommunicator::all_reduce(at::Tensor data, ReduceOp op, Traffic) {
  c10::NoGradGuard no_grad;
  const Description what = checker_.in_place(Kind::kAllReduce, data, 0, op);
  show(what, data);
  const std::vector<std::int64_t> counts = even_parts(what.count, world());
  const std::vector<std::int64_t> offsets = offsets_of(counts);
  const auto mine = static_cast<std::size_t>(rank());
  group_->own(rank()).result = reduced(offsets[mine], counts[mine], op);
  meet();
  const at::Tensor all = flat(data);
  for (int other = 0; other < world(); ++other) {
    const auto o = static_cast<std::size_t>(other);
    if (counts[o] > 0) all.narrow(0, offsets[o], counts[o]).copy_(group_->of(other).result);
  }
  leave();
  return nullptr;
}

WorkHandle LocalCommunicator::reduce(at::Tensor data, int root, ReduceOp op, Traffic) {
  c10::NoGradGuard no_grad;
  const Description what = checker_.in_place(Kind::kReduce, data, root, op);
  show(what, data);
  at::Tensor sum;
  if (rank() == root) sum = reduced(0, what.count, op);
  leave();
  if (rank() == root) flat(data).copy_(sum);
  return nullptr;
}

WorkHandle LocalCommunicator::reduce_scatter(at::Tensor output, at::Tensor input, Counts counts,
                                             ReduceOp op, Traffic) {
  c10::NoGradGuard no_grad;
  show(checker_.reduce_scatter(output, input, counts, op), input);
  const auto mine = static_cast<std::size_t>(rank());
  const at::Tensor sum = reduced(offsets_of(counts)[mine], counts[mine], op);
  leave();  // `output` may be a part of `input`
  flat(output).copy_(sum);
  return nullptr;
}

WorkHandle LocalCommunicator::all_gather(at::Tensor output, at::Tensor input, Counts counts,
                                         Traffic) {
  c10::NoGradGuard no_grad;
  show(checker_.all_gather(output, input, counts), input);
  const std::vector<std::int64_t> offsets = offsets_of(counts);
  const at::Tensor all = flat(output);
  for (int other = 0; other < world(); ++other) {
    const auto o = static_cast<std::size_t>(other);
    const at::Tensor to = all.narrow(0, offsets[o], counts[o]);
    const at::Tensor& from = group_->of(other).tensor;
    if (to.const_data_ptr() != from.const_data_ptr()) to.copy_(from);
  }
  leave();
  return nullptr;
}

WorkHandle LocalCommunicator::broadcast(at::Tensor data, int root, Traffic) {
  c10::NoGradGuard no_grad;
  show(checker_.in_place(Kind::kBroadcast, data, root, ReduceOp::kSum), data);
  if (rank() != root) flat(data).copy_(group_->of(root).tensor);
  leave();
  return nullptr;
}

WorkHandle LocalCommunicator::all_to_all(at::Tensor output, at::Tensor input, Counts output_counts,
                                         Counts input_counts, Traffic) {
  c10::NoGradGuard no_grad;
  show(checker_.all_to_all(output, input, output_counts, input_counts), input,
       offsets_of(input_counts));
  const std::vector<std::int64_t> offsets = offsets_of(output_counts);
  const auto mine = static_cast<std::size_t>(rank());
  const at::Tensor all = flat(output);
  for (int other = 0; other < world(); ++other) {
    const auto o = static_cast<std::size_t>(other);
    const LocalGroup::Shown& from = group_->of(other);
    const std::int64_t sent = from.offsets[mine + 1] - from.offsets[mine];
    if (sent != output_counts[o]) {
      throw trainhost::Error(
          trainhost::Failure::kRun,
          {.where = "cuda group '" + checker_.group() + "', rank " + std::to_string(rank()) +
                    ", all_to_all",
           .what = "rank " + std::to_string(other) + " sends another count than is expected",
           .expected = std::to_string(output_counts[o]),
           .got = std::to_string(sent)});
    }
    all.narrow(0, offsets[o], sent).copy_(from.tensor.narrow(0, from.offsets[mine], sent));
  }
  leave();
  return nullptr;
}

void LocalCommunicator::barrier(Traffic) {
  show({}, {});
  leave();
}

}  // namespace cuda
