// LoneCommunicator: a world of one. Nothing is sent, every operation is checked as in a larger one.
#pragma once

#include <string>
#include <utility>

#include "cuda/operation.h"
#include "trainhost/communicator.h"

namespace cuda {

class LoneCommunicator final : public trainhost::Communicator {
 public:
  LoneCommunicator(std::string name, at::Device device) : checker_(std::move(name), 0, 1, device) {}

  int rank() const override { return 0; }
  int world() const override { return 1; }
  bool sums_in_rank_order() const override { return true; }
  at::Tensor allocate(std::int64_t bytes) override;
  trainhost::WorkHandle all_reduce(at::Tensor data, trainhost::ReduceOp op,
                                   trainhost::Traffic tag) override;
  trainhost::WorkHandle reduce(at::Tensor data, int root, trainhost::ReduceOp op,
                               trainhost::Traffic tag) override;
  trainhost::WorkHandle reduce_scatter(at::Tensor output, at::Tensor input, Counts counts,
                                       trainhost::ReduceOp op, trainhost::Traffic tag) override;
  trainhost::WorkHandle all_gather(at::Tensor output, at::Tensor input, Counts counts,
                                   trainhost::Traffic tag) override;
  trainhost::WorkHandle broadcast(at::Tensor data, int root, trainhost::Traffic tag) override;
  trainhost::WorkHandle all_to_all(at::Tensor output, at::Tensor input, Counts output_counts,
                                   Counts input_counts, trainhost::Traffic tag) override;
  void barrier(trainhost::Traffic) override {}
  void abort(std::string_view) noexcept override {}

 private:
  const Checker checker_;
};

}  // namespace cuda
