#include "cuda/group_communicator.h"

#include <ATen/ops/zeros.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/GradMode.h>

#include <optional>
#include <utility>

#include "cuda/ordered_sums.h"
#include "cuda/uneven_parts.h"

namespace cuda {
namespace {

using trainhost::ReduceOp;
using trainhost::Traffic;
using trainhost::WorkHandle;

at::Tensor flat(const at::Tensor& tensor) { return tensor.detach().view(-1); }

/// Nothing where `to` is `from`.
std::function<void()> copy_later(const at::Tensor& to, const at::Tensor& from) {
  if (to.const_data_ptr() == from.const_data_ptr()) return {};
  return [to, from] { at::Tensor(to).copy_(from); };
}

/// An operation under way: keeps its tensors, and finishes in the stream of the thread that waits.
class GroupWork final : public trainhost::Work {
 public:
  GroupWork(std::shared_ptr<Group> group, Operation operation, std::vector<at::Tensor> tensors,
            std::function<void()> finish)
      : group_(std::move(group)),
        operation_(std::move(operation)),
        tensors_(std::move(tensors)),
        finish_(std::move(finish)) {}

  void wait() override {
    if (!operation_) return;
    group_->wait(*operation_);
    const c10::DeviceGuard guard(group_->place().device);
    if (finish_) finish_();
    operation_.reset();
    tensors_.clear();
  }

 private:
  const std::shared_ptr<Group> group_;  // may outlive the communicator
  std::optional<Operation> operation_;
  std::vector<at::Tensor> tensors_;
  const std::function<void()> finish_;
};

}  // namespace

GroupCommunicator::GroupCommunicator(std::shared_ptr<Group> group)
    : group_(std::move(group)),
      checker_(group_->place().name, group_->place().rank, group_->place().world,
               group_->place().device) {}

at::Tensor GroupCommunicator::allocate(std::int64_t bytes) {
  return at::zeros({bytes}, at::TensorOptions(at::kByte).device(checker_.device()));
}

WorkHandle GroupCommunicator::issue(const Description& what, std::vector<at::Tensor> tensors,
                                    const std::function<Issued(Wire&)>& function,
                                    std::function<void()> finish) {
  // Each rank's own counts differ in an all_to_all: nothing here may be something elsewhere.
  if (what.count == 0 && what.kind != Kind::kAllToAll) return nullptr;
  return std::make_unique<GroupWork>(group_, group_->issue(what.text(), function),
                                     std::move(tensors), std::move(finish));
}

WorkHandle GroupCommunicator::all_reduce(at::Tensor data, ReduceOp op, Traffic tag) {
  const c10::NoGradGuard no_grad;
  const Description what = checker_.in_place(Kind::kAllReduce, data, 0, op);
  const at::Tensor all = flat(data);
  if (what.count == 0 || !must_be_ordered(group_->place(), what)) {
    return issue(what, {all}, [&](Wire& wire) { return wire.all_reduce(all, op); });
  }
  const std::vector<std::int64_t> counts = even_parts(what.count, world());
  return all_gather(all, own_sum_in_order(*group_, all, counts, what), counts, tag);
}

WorkHandle GroupCommunicator::reduce(at::Tensor data, int root, ReduceOp op, Traffic tag) {
  const Description what = checker_.in_place(Kind::kReduce, data, root, op);
  if (must_be_ordered(group_->place(), what)) return all_reduce(std::move(data), op, tag);
  const at::Tensor all = flat(data);
  return issue(what, {all}, [&](Wire& wire) { return wire.reduce(all, root, op); });
}

WorkHandle GroupCommunicator::reduce_scatter(at::Tensor output, at::Tensor input, Counts counts,
                                             ReduceOp op, Traffic) {
  const c10::NoGradGuard no_grad;
  const Description what = checker_.reduce_scatter(output, input, counts, op);
  const at::Tensor to = flat(output), from = flat(input);
  if (what.count > 0 && must_be_ordered(group_->place(), what)) {
    const at::Tensor sum = own_sum_in_order(*group_, from, counts, what);
    const c10::DeviceGuard guard(checker_.device());
    to.copy_(sum);
    return nullptr;
  }
  if (all_equal(counts)) {
    return issue(what, {to, from}, [&](Wire& wire) { return wire.reduce_scatter(to, from, op); });
  }
  return issue(
      what, {to, from}, [&](Wire& wire) { return reduce_parts(wire, from, counts, op); },
      copy_later(to, part_of(from, counts, rank())));
}

WorkHandle GroupCommunicator::all_gather(at::Tensor output, at::Tensor input, Counts counts,
                                         Traffic) {
  const c10::NoGradGuard no_grad;
  const Description what = checker_.all_gather(output, input, counts);
  const at::Tensor to = flat(output), from = flat(input);
  if (all_equal(counts)) {
    return issue(what, {to, from}, [&](Wire& wire) { return wire.all_gather(to, from); });
  }
  return issue(what, {to, from}, [&](Wire& wire) {
    if (const auto copy = copy_later(part_of(to, counts, rank()), from)) copy();
    return broadcast_parts(wire, to, counts);
  });
}

WorkHandle GroupCommunicator::broadcast(at::Tensor data, int root, Traffic) {
  const Description what = checker_.in_place(Kind::kBroadcast, data, root, ReduceOp::kSum);
  const at::Tensor all = flat(data);
  return issue(what, {all}, [&](Wire& wire) { return wire.broadcast(all, root); });
}

WorkHandle GroupCommunicator::all_to_all(at::Tensor output, at::Tensor input, Counts output_counts,
                                         Counts input_counts, Traffic) {
  const Description what = checker_.all_to_all(output, input, output_counts, input_counts);
  const at::Tensor to = flat(output), from = flat(input);
  return issue(what, {to, from},
               [&](Wire& wire) { return wire.all_to_all(to, from, output_counts, input_counts); });
}

void GroupCommunicator::barrier(Traffic tag) {
  const at::Tensor here = at::zeros({1}, at::TensorOptions(at::kByte).device(checker_.device()));
  wait(all_reduce(here, ReduceOp::kMax, tag));
}

}  // namespace cuda
