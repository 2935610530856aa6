// JointCommunicator: trainhost::Communicator for ranks that are threads, each with a GPU of its
// own: the ranks meet, and the last one to come issues the collective for all of them.
//
// Purpose: `dp` at the speed of NCCL. What NCCL would not add in 32 bits is left to the copies of
// LocalCommunicator: 16-bit sums of more than two ranks. Owner, threads and ranks: as
// trainhost::Communicator says.
//
// Rationale: calls of several threads of one process can wait for each other inside CUDA; issued by
// one thread as one group they cannot, and the meeting finds the rank that did not come, or came
// with another operation, before NCCL would hang on it.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "cuda/joint.h"
#include "cuda/local_communicator.h"

namespace cuda {

class JointCommunicator final : public LocalCommunicator {
 public:
  /// `settle`: as for LocalCommunicator, what `joint` has under way for this rank included.
  JointCommunicator(std::shared_ptr<LocalGroup> group, int rank, at::Device device,
                    std::function<void()> settle, std::shared_ptr<Joint> joint);

  bool sums_in_rank_order() const override { return world() <= 2; }

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
  void abort(std::string_view reason) noexcept override;

 private:
  bool by_copies(const Description& what) const;
  trainhost::WorkHandle issue(LocalGroup::Shown shown);

  const std::shared_ptr<Joint> joint_;  // all ranks of the group share it
};

}  // namespace cuda
