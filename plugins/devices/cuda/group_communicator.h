// GroupCommunicator: trainhost::Communicator for ranks that are processes, over a Wire.
//
// Purpose: checks what it is asked for, chooses how it is done, and gives Works that keep their
// tensors. Owner, threads and ranks: as trainhost::Communicator says.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "cuda/group.h"
#include "cuda/operation.h"
#include "trainhost/communicator.h"

namespace cuda {

class GroupCommunicator final : public trainhost::Communicator {
 public:
  explicit GroupCommunicator(std::shared_ptr<Group> group);

  int rank() const override { return checker_.rank(); }
  int world() const override { return checker_.world(); }
  /// A sum of two is the same in either order.
  bool sums_in_rank_order() const override {
    return group_->place().rank_order_sums || world() <= 2;
  }

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
  void barrier(trainhost::Traffic tag) override;
  void abort(std::string_view reason) noexcept override { group_->abort(reason); }

 private:
  trainhost::WorkHandle issue(const Description& what, std::vector<at::Tensor> tensors,
                              const std::function<Issued(Wire&)>& function,
                              std::function<void()> finish = {});

  const std::shared_ptr<Group> group_;  // the Works share it
  const Checker checker_;
};

}  // namespace cuda
