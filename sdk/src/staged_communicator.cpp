#include "staged_communicator.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/GradMode.h>

#include <utility>

#include "trainhost/error.h"

namespace trainhost {
namespace {

using Counts = std::span<const std::int64_t>;

/// Host memory like `tensor`, from which a device copies fast.
at::Tensor host_like(const at::Tensor& tensor) {
  const bool pinned = tensor.numel() > 0 && !tensor.is_cpu();
  return at::empty({tensor.numel()}, at::TensorOptions(tensor.scalar_type()).pinned_memory(pinned));
}

/// The data of a tensor with a version of its own: what collectives write is no change that
/// autograd should count, since strategies gather into storage that saved tensors view.
at::Tensor data_of(const at::Tensor& tensor) { return tensor.variable_data().view(-1); }

/// Returns when the copy is there: the work that makes `tensor` is done by then.
at::Tensor to_host(const at::Tensor& tensor) {
  at::Tensor out = host_like(tensor);
  out.copy_(data_of(tensor));
  return out;
}

class StagedWork final : public Work {
 public:
  StagedWork(WorkHandle host, at::Tensor from, at::Tensor to)
      : host_(std::move(host)), from_(std::move(from)), to_(std::move(to)) {}

  void wait() override {
    trainhost::wait(std::exchange(host_, nullptr));
    if (!to_.defined()) return;
    const c10::NoGradGuard no_grad;
    const c10::DeviceGuard guard(to_.device());
    data_of(to_).copy_(from_);
    to_.reset();
    from_.reset();
  }

 private:
  WorkHandle host_;
  at::Tensor from_, to_;  // undefined where this rank gets nothing
};

/// What is not under way any more is copied back at once.
WorkHandle finish(WorkHandle host, at::Tensor from, at::Tensor to) {
  const bool done = host == nullptr;
  auto work = std::make_unique<StagedWork>(std::move(host), std::move(from), std::move(to));
  if (!done) return work;
  work->wait();
  return nullptr;
}

/// Whether this is a sound operation of a group of one, where what would come from the others is
/// what is there. What is not sound goes to the host's communicator, which says why.
bool copies_alone(int world, const at::Tensor& output, const at::Tensor& input, Counts counts) {
  if (world != 1 || counts.size() != 1 || counts[0] != input.numel()) return false;
  if (output.numel() != input.numel() || output.scalar_type() != input.scalar_type()) return false;
  if (output.const_data_ptr() != input.const_data_ptr()) data_of(output).copy_(data_of(input));
  return true;
}

}  // namespace

at::Tensor StagedCommunicator::allocate(std::int64_t bytes) {
  if (bytes < 0) {
    throw Error(Failure::kRun,
                {.where = "allocate of group '" + name_ + "', rank " + std::to_string(rank()),
                 .what = "a size is wrong",
                 .expected = "0 or more bytes",
                 .got = std::to_string(bytes)});
  }
  return at::zeros({bytes}, at::TensorOptions(at::kByte).device(device_));
}

WorkHandle StagedCommunicator::all_reduce(at::Tensor data, ReduceOp op, Traffic tag) {
  check("all_reduce", "data", data);
  if (world() == 1) return nullptr;
  const c10::NoGradGuard no_grad;
  const c10::DeviceGuard guard(device_);
  at::Tensor staged = to_host(data);
  WorkHandle work = host_->all_reduce(staged, op, tag);
  return finish(std::move(work), std::move(staged), std::move(data));
}

WorkHandle StagedCommunicator::reduce(at::Tensor data, int root, ReduceOp op, Traffic tag) {
  check("reduce", "data", data);
  if (world() == 1 && root == 0) return nullptr;
  const c10::NoGradGuard no_grad;
  const c10::DeviceGuard guard(device_);
  at::Tensor staged = to_host(data);
  WorkHandle work = host_->reduce(staged, root, op, tag);
  return finish(std::move(work), std::move(staged),
                rank() == root ? std::move(data) : at::Tensor());
}

WorkHandle StagedCommunicator::reduce_scatter(at::Tensor output, at::Tensor input, Counts counts,
                                              ReduceOp op, Traffic tag) {
  check("reduce_scatter", "input", input);
  check("reduce_scatter", "output", output);
  const c10::NoGradGuard no_grad;
  const c10::DeviceGuard guard(device_);
  if (copies_alone(world(), output, input, counts)) return nullptr;
  at::Tensor staged = host_like(output);
  WorkHandle work = host_->reduce_scatter(staged, to_host(input), counts, op, tag);
  return finish(std::move(work), std::move(staged), std::move(output));
}

WorkHandle StagedCommunicator::all_gather(at::Tensor output, at::Tensor input, Counts counts,
                                          Traffic tag) {
  check("all_gather", "input", input);
  check("all_gather", "output", output);
  const c10::NoGradGuard no_grad;
  const c10::DeviceGuard guard(device_);
  if (copies_alone(world(), output, input, counts)) return nullptr;
  at::Tensor staged = host_like(output);
  WorkHandle work = host_->all_gather(staged, to_host(input), counts, tag);
  return finish(std::move(work), std::move(staged), std::move(output));
}

WorkHandle StagedCommunicator::broadcast(at::Tensor data, int root, Traffic tag) {
  check("broadcast", "data", data);
  if (world() == 1 && root == 0) return nullptr;
  const c10::NoGradGuard no_grad;
  const c10::DeviceGuard guard(device_);
  at::Tensor staged = rank() == root ? to_host(data) : host_like(data);
  WorkHandle work = host_->broadcast(staged, root, tag);
  return finish(std::move(work), std::move(staged),
                rank() == root ? at::Tensor() : std::move(data));
}

WorkHandle StagedCommunicator::all_to_all(at::Tensor output, at::Tensor input, Counts output_counts,
                                          Counts input_counts, Traffic tag) {
  check("all_to_all", "input", input);
  check("all_to_all", "output", output);
  const c10::NoGradGuard no_grad;
  const c10::DeviceGuard guard(device_);
  if (copies_alone(world(), output, input, input_counts)) return nullptr;
  at::Tensor staged = host_like(output);
  WorkHandle work = host_->all_to_all(staged, to_host(input), output_counts, input_counts, tag);
  return finish(std::move(work), std::move(staged), std::move(output));
}

/// The rest is what the communicator of the host checks.
void StagedCommunicator::check(const char* operation, const char* which,
                               const at::Tensor& tensor) const {
  const auto refuse = [&](const char* what, const std::string& expected, const std::string& got) {
    throw Error(Failure::kRun, {.where = std::string(operation) + " of group '" + name_ +
                                         "', rank " + std::to_string(rank()),
                                .what = std::string(which) + what,
                                .expected = expected,
                                .got = got});
  };
  if (!tensor.defined()) refuse(" is undefined", "a tensor", "none");
  if (tensor.device() != device_) {
    refuse(" is on another device", device_.str(), tensor.device().str());
  }
  if (!tensor.is_contiguous()) {
    refuse(" is not contiguous", "a contiguous tensor", "a strided view");
  }
}

}  // namespace trainhost
