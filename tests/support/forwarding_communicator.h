// ForwardingCommunicator: another communicator, for tests that change or watch some operations.
#pragma once

#include <string_view>
#include <utility>

#include "trainhost/communicator.h"

namespace trainhost::testing {

class ForwardingCommunicator : public Communicator {
 public:
  /// `inner` outlives this.
  explicit ForwardingCommunicator(Communicator& inner) : inner_(inner) {}

  int rank() const override { return inner_.rank(); }
  int world() const override { return inner_.world(); }
  bool sums_in_rank_order() const override { return inner_.sums_in_rank_order(); }
  at::Tensor allocate(std::int64_t bytes) override { return inner_.allocate(bytes); }
  WorkHandle all_reduce(at::Tensor data, ReduceOp op, Traffic tag) override {
    return inner_.all_reduce(std::move(data), op, tag);
  }
  WorkHandle reduce(at::Tensor data, int root, ReduceOp op, Traffic tag) override {
    return inner_.reduce(std::move(data), root, op, tag);
  }
  WorkHandle reduce_scatter(at::Tensor output, at::Tensor input,
                            std::span<const std::int64_t> counts, ReduceOp op,
                            Traffic tag) override {
    return inner_.reduce_scatter(std::move(output), std::move(input), counts, op, tag);
  }
  WorkHandle all_gather(at::Tensor output, at::Tensor input, std::span<const std::int64_t> counts,
                        Traffic tag) override {
    return inner_.all_gather(std::move(output), std::move(input), counts, tag);
  }
  WorkHandle broadcast(at::Tensor data, int root, Traffic tag) override {
    return inner_.broadcast(std::move(data), root, tag);
  }
  WorkHandle all_to_all(at::Tensor output, at::Tensor input,
                        std::span<const std::int64_t> output_counts,
                        std::span<const std::int64_t> input_counts, Traffic tag) override {
    return inner_.all_to_all(std::move(output), std::move(input), output_counts, input_counts, tag);
  }
  void barrier(Traffic tag) override { inner_.barrier(tag); }
  void abort(std::string_view reason) noexcept override { inner_.abort(reason); }

 private:
  Communicator& inner_;
};

}  // namespace trainhost::testing
