// LocalCommunicator: trainhost::Communicator for ranks that are threads of one process, each with
// a device of its own or several on one.
//
// Purpose: reductions in the order of ranks by copies between devices; it needs no NCCL, which
// refuses two ranks on one GPU. Every operation is done when it returns. Owner, threads and ranks:
// as trainhost::Communicator says.
#pragma once

#include <functional>
#include <memory>

#include "cuda/local_group.h"
#include "trainhost/communicator.h"

namespace cuda {

class LocalCommunicator : public trainhost::Communicator {
 public:
  /// `settle` returns when all work is done that the calling thread has issued to `device`: before
  /// it the other ranks may not read, after it they may.
  LocalCommunicator(std::shared_ptr<LocalGroup> group, int rank, at::Device device,
                    std::function<void()> settle);

  int rank() const override { return checker_.rank(); }
  int world() const override { return checker_.world(); }
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
  void barrier(trainhost::Traffic tag) override;
  void abort(std::string_view reason) noexcept override { group_->abort(reason); }

 protected:
  const std::shared_ptr<LocalGroup>& group() const { return group_; }
  const Checker& checker() const { return checker_; }

 private:
  void show(const Description& what, const at::Tensor& tensor,
            std::vector<std::int64_t> offsets = {});
  void meet();
  void leave();
  /// The reduction over the ranks of elements [begin, begin + count) of what they show.
  at::Tensor reduced(std::int64_t begin, std::int64_t count, trainhost::ReduceOp op) const;

  const std::shared_ptr<LocalGroup> group_;  // all ranks of the group share it
  const Checker checker_;
  const std::function<void()> settle_;
};

}  // namespace cuda
