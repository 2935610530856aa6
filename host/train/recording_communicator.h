// RecordingCommunicator: a communicator whose operations are written down, to compare ranks.
//
// Purpose: the same order of collectives on every rank, for check-plugin. What may differ between
// ranks (the counts of all_to_all) is left out. Everything is passed on. Owner: the job; the record
// outlives it. Threads and ranks: as Communicator; a record belongs to one rank, and each group has
// its own.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "host/train/counting_communicator.h"
#include "trainhost/communicator.h"

namespace trainhost::train {

class OperationRecord {
 public:
  void add(std::string operation) {
    const std::lock_guard lock(mutex_);
    if (!stopped_) operations_.push_back(std::move(operation));
  }
  /// Nothing is written down from here on.
  void stop() {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  std::vector<std::string> operations() const {
    const std::lock_guard lock(mutex_);
    return operations_;
  }

 private:
  mutable std::mutex mutex_;
  // State below is protected by mutex_.
  std::vector<std::string> operations_;
  bool stopped_ = false;
};

class RecordingCommunicator : public Communicator {
 public:
  RecordingCommunicator(std::unique_ptr<Communicator> inner, OperationRecord& record)
      : inner_(std::move(inner)), record_(record) {}

  int rank() const override { return inner_->rank(); }
  int world() const override { return inner_->world(); }
  bool sums_in_rank_order() const override { return inner_->sums_in_rank_order(); }
  at::Tensor allocate(std::int64_t bytes) override;
  WorkHandle all_reduce(at::Tensor data, ReduceOp op, Traffic tag) override;
  WorkHandle reduce(at::Tensor data, int root, ReduceOp op, Traffic tag) override;
  WorkHandle reduce_scatter(at::Tensor output, at::Tensor input,
                            std::span<const std::int64_t> counts, ReduceOp op,
                            Traffic tag) override;
  WorkHandle all_gather(at::Tensor output, at::Tensor input, std::span<const std::int64_t> counts,
                        Traffic tag) override;
  WorkHandle broadcast(at::Tensor data, int root, Traffic tag) override;
  WorkHandle all_to_all(at::Tensor output, at::Tensor input,
                        std::span<const std::int64_t> output_counts,
                        std::span<const std::int64_t> input_counts, Traffic tag) override;
  void barrier(Traffic tag) override;
  void abort(std::string_view reason) noexcept override { inner_->abort(reason); }

 private:
  const std::unique_ptr<Communicator> inner_;
  OperationRecord& record_;
};

/// Where the ranks' records part first, in words: "operation 7 is all_reduce of … on rank 0 and
/// broadcast of … on rank 1"; "" where they do not.
std::string first_disorder(const std::vector<std::vector<std::string>>& by_rank);

}  // namespace trainhost::train
