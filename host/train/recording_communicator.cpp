#include "host/train/recording_communicator.h"

#include <algorithm>
#include <numeric>

namespace trainhost::train {
namespace {

const char* tag_name(Traffic tag) {
  switch (tag) {
    case Traffic::kStrategy:
      return "strategy";
    case Traffic::kModel:
      return "model";
    case Traffic::kHost:
      return "host";
  }
  return "";
}

const char* op_name(ReduceOp op) {
  return op == ReduceOp::kSum ? "sum" : op == ReduceOp::kMin ? "min" : "max";
}

std::string text(const char* name, const at::Tensor& data, std::int64_t count, Traffic tag,
                 const std::string& more = {}) {
  return std::string(name) + " of " + std::to_string(count) + " " +
         std::string(data.dtype().name()) + more + " (" + tag_name(tag) + ")";
}

std::int64_t sum_of(std::span<const std::int64_t> counts) {
  return std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
}

std::string at_place(const std::vector<std::string>& operations, std::size_t place) {
  return place < operations.size() ? operations[place] : "missing";
}

}  // namespace

at::Tensor RecordingCommunicator::allocate(std::int64_t bytes) {
  record_.add("allocate " + std::to_string(bytes) + " bytes");
  return inner_->allocate(bytes);
}

WorkHandle RecordingCommunicator::all_reduce(at::Tensor data, ReduceOp op, Traffic tag) {
  record_.add(text("all_reduce", data, data.numel(), tag, std::string(", ") + op_name(op)));
  return inner_->all_reduce(std::move(data), op, tag);
}

WorkHandle RecordingCommunicator::reduce(at::Tensor data, int root, ReduceOp op, Traffic tag) {
  record_.add(text("reduce", data, data.numel(), tag,
                   std::string(", ") + op_name(op) + ", root " + std::to_string(root)));
  return inner_->reduce(std::move(data), root, op, tag);
}

WorkHandle RecordingCommunicator::reduce_scatter(at::Tensor output, at::Tensor input,
                                                 std::span<const std::int64_t> counts, ReduceOp op,
                                                 Traffic tag) {
  record_.add(text("reduce_scatter", input, sum_of(counts), tag, std::string(", ") + op_name(op)));
  return inner_->reduce_scatter(std::move(output), std::move(input), counts, op, tag);
}

WorkHandle RecordingCommunicator::all_gather(at::Tensor output, at::Tensor input,
                                             std::span<const std::int64_t> counts, Traffic tag) {
  record_.add(text("all_gather", output, sum_of(counts), tag));
  return inner_->all_gather(std::move(output), std::move(input), counts, tag);
}

WorkHandle RecordingCommunicator::broadcast(at::Tensor data, int root, Traffic tag) {
  record_.add(text("broadcast", data, data.numel(), tag, ", root " + std::to_string(root)));
  return inner_->broadcast(std::move(data), root, tag);
}

WorkHandle RecordingCommunicator::all_to_all(at::Tensor output, at::Tensor input,
                                             std::span<const std::int64_t> output_counts,
                                             std::span<const std::int64_t> input_counts,
                                             Traffic tag) {
  record_.add("all_to_all of " + std::string(input.dtype().name()) + " (" + tag_name(tag) + ")");
  return inner_->all_to_all(std::move(output), std::move(input), output_counts, input_counts, tag);
}

void RecordingCommunicator::barrier(Traffic tag) {
  record_.add(std::string("barrier (") + tag_name(tag) + ")");
  inner_->barrier(tag);
}

std::string first_disorder(const std::vector<std::vector<std::string>>& by_rank) {
  std::size_t longest = 0;
  for (const auto& operations : by_rank) longest = std::max(longest, operations.size());
  for (std::size_t place = 0; place < longest; ++place) {
    const std::string first = at_place(by_rank.front(), place);
    for (std::size_t rank = 1; rank < by_rank.size(); ++rank) {
      const std::string other = at_place(by_rank[rank], place);
      if (other == first) continue;
      return "operation " + std::to_string(place + 1) + " is " + first + " on rank 0 and " + other +
             " on rank " + std::to_string(rank);
    }
  }
  return {};
}

}  // namespace trainhost::train
