#include "cuda/joint_communicator.h"

#include <c10/core/DeviceGuard.h>
#include <c10/core/GradMode.h>

#include <utility>

#include "cuda/patience.h"
#include "trainhost/error.h"

namespace cuda {
namespace {

using trainhost::ReduceOp;
using trainhost::Traffic;
using trainhost::WorkHandle;

at::Tensor flat(const at::Tensor& tensor) { return tensor.detach().view(-1); }

class JointWork final : public trainhost::Work {
 public:
  JointWork(std::shared_ptr<LocalGroup> group, std::shared_ptr<Joint> joint, int rank,
            at::Device device, LocalGroup::Shown shown, Issued issued)
      : group_(std::move(group)),
        joint_(std::move(joint)),
        rank_(rank),
        device_(device),
        shown_(std::move(shown)),
        issued_(std::move(issued)) {}

  void wait() override {
    if (!issued_) return;
    const c10::DeviceGuard guard(device_);
    const auto look = [&] { group_->check(rank_, shown_.what); };
    wait_until_done(*issued_, group_->timeout(), look,
                    [&] { group_->give_up(rank_, shown_.what, [&] { joint_->abort(); }); });
    issued_->order();
    issued_.reset();
    shown_ = {};
  }

 private:
  const std::shared_ptr<LocalGroup> group_;
  const std::shared_ptr<Joint> joint_;
  const int rank_;
  const at::Device device_;
  LocalGroup::Shown shown_;  // keeps the tensors
  Issued issued_;
};

}  // namespace

JointCommunicator::JointCommunicator(std::shared_ptr<LocalGroup> group, int rank, at::Device device,
                                     std::function<void()> settle, std::shared_ptr<Joint> joint)
    : LocalCommunicator(std::move(group), rank, device, std::move(settle)),
      joint_(std::move(joint)) {}

/// NCCL adds 16-bit numbers in 16 bits; of two there is one sum all the same.
bool JointCommunicator::by_copies(const Description& what) const {
  const bool narrow = what.type == at::kHalf || what.type == at::kBFloat16;
  return narrow && what.op == ReduceOp::kSum && world() > 2;
}

WorkHandle JointCommunicator::issue(LocalGroup::Shown shown) {
  const c10::DeviceGuard guard(checker().device());
  joint_->come(rank());
  group()->own(rank()) = shown;
  group()->meet(rank(), [&] {
    group()->require_agreement(rank());
    joint_->issue(joint_calls(*group()));
  });
  group()->own(rank()) = {};  // nobody reads it any more
  return std::make_unique<JointWork>(group(), joint_, rank(), checker().device(), std::move(shown),
                                     joint_->mark(rank()));
}

WorkHandle JointCommunicator::all_reduce(at::Tensor data, ReduceOp op, Traffic tag) {
  const Description what = checker().in_place(Kind::kAllReduce, data, 0, op);
  if (by_copies(what)) return LocalCommunicator::all_reduce(std::move(data), op, tag);
  return issue({what, flat(data)});
}

WorkHandle JointCommunicator::reduce(at::Tensor data, int root, ReduceOp op, Traffic tag) {
  const Description what = checker().in_place(Kind::kReduce, data, root, op);
  if (by_copies(what)) return LocalCommunicator::reduce(std::move(data), root, op, tag);
  return issue({what, flat(data)});
}

WorkHandle JointCommunicator::reduce_scatter(at::Tensor output, at::Tensor input, Counts counts,
                                             ReduceOp op, Traffic tag) {
  const Description what = checker().reduce_scatter(output, input, counts, op);
  if (by_copies(what)) {
    return LocalCommunicator::reduce_scatter(std::move(output), std::move(input), counts, op, tag);
  }
  return issue(
      {.what = what, .tensor = flat(input), .offsets = offsets_of(counts), .output = flat(output)});
}

WorkHandle JointCommunicator::all_gather(at::Tensor output, at::Tensor input, Counts counts,
                                         Traffic) {
  const Description what = checker().all_gather(output, input, counts);
  return issue(
      {.what = what, .tensor = flat(input), .offsets = offsets_of(counts), .output = flat(output)});
}

WorkHandle JointCommunicator::broadcast(at::Tensor data, int root, Traffic) {
  return issue({checker().in_place(Kind::kBroadcast, data, root, ReduceOp::kSum), flat(data)});
}

WorkHandle JointCommunicator::all_to_all(at::Tensor output, at::Tensor input, Counts output_counts,
                                         Counts input_counts, Traffic) {
  return issue({.what = checker().all_to_all(output, input, output_counts, input_counts),
                .tensor = flat(input),
                .offsets = offsets_of(input_counts),
                .output = flat(output),
                .output_offsets = offsets_of(output_counts)});
}

void JointCommunicator::abort(std::string_view reason) noexcept {
  LocalCommunicator::abort(reason);  // first: what NCCL aborts looks as if it were done
  joint_->abort();
}

}  // namespace cuda
