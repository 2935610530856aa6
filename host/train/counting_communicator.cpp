#include "host/train/counting_communicator.h"

#include <ATen/ops/from_blob.h>

#include <numeric>
#include <utility>

namespace trainhost::train {
namespace {

std::int64_t bytes_of(const at::Tensor& data) { return static_cast<std::int64_t>(data.nbytes()); }

std::int64_t sum(std::span<const std::int64_t> counts) {
  return std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
}

}  // namespace

at::Tensor CountingCommunicator::allocate(std::int64_t bytes) {
  at::Tensor memory = inner_.allocate(bytes);
  // A tensor of LibTorch's allocator has been counted by it.
  const bool counted = memory.storage().allocator() != nullptr;
  if (memory_ == nullptr || counted || bytes == 0) return memory;
  void* const data = memory.mutable_data_ptr();
  const at::TensorOptions options = memory.options();
  MemoryCounter& counter = *memory_;
  counter.add(bytes);
  const auto let_go = [&counter, bytes, memory = std::move(memory)](void*) mutable {
    memory = at::Tensor();
    counter.remove(bytes);
  };
  return at::from_blob(data, {bytes}, let_go, options);
}

WorkHandle CountingCommunicator::all_reduce(at::Tensor data, ReduceOp op, Traffic tag) {
  sent_.add(2 * bytes_of(data) * (world() - 1) / world(), tag);
  return inner_.all_reduce(std::move(data), op, tag);
}

WorkHandle CountingCommunicator::reduce(at::Tensor data, int root, ReduceOp op, Traffic tag) {
  sent_.add(bytes_of(data) * (world() - 1) / world(), tag);
  return inner_.reduce(std::move(data), root, op, tag);
}

WorkHandle CountingCommunicator::reduce_scatter(at::Tensor output, at::Tensor input,
                                                std::span<const std::int64_t> counts, ReduceOp op,
                                                Traffic tag) {
  const std::int64_t others = sum(counts) - counts[static_cast<std::size_t>(rank())];
  sent_.add(others * static_cast<std::int64_t>(input.element_size()), tag);
  return inner_.reduce_scatter(std::move(output), std::move(input), counts, op, tag);
}

WorkHandle CountingCommunicator::all_gather(at::Tensor output, at::Tensor input,
                                            std::span<const std::int64_t> counts, Traffic tag) {
  const std::int64_t own = counts[static_cast<std::size_t>(rank())];
  sent_.add(own * static_cast<std::int64_t>(output.element_size()) * (world() - 1), tag);
  return inner_.all_gather(std::move(output), std::move(input), counts, tag);
}

WorkHandle CountingCommunicator::broadcast(at::Tensor data, int root, Traffic tag) {
  sent_.add(bytes_of(data) * (world() - 1) / world(), tag);
  return inner_.broadcast(std::move(data), root, tag);
}

WorkHandle CountingCommunicator::all_to_all(at::Tensor output, at::Tensor input,
                                            std::span<const std::int64_t> output_counts,
                                            std::span<const std::int64_t> input_counts,
                                            Traffic tag) {
  const std::int64_t others = sum(input_counts) - input_counts[static_cast<std::size_t>(rank())];
  sent_.add(others * static_cast<std::int64_t>(input.element_size()), tag);
  return inner_.all_to_all(std::move(output), std::move(input), output_counts, input_counts, tag);
}

}  // namespace trainhost::train
