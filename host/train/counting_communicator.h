// CountingCommunicator: a communicator whose traffic and memory are counted.
//
// Purpose: claims held against what happens (`describe --measure`, summary.json). Everything is
// passed on. Owner: the rank's run or the probe, or the strategy that asked for a second group.
// Threads and ranks: as Communicator; the counts may be read from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "host/train/memory_counter.h"
#include "trainhost/communicator.h"

namespace trainhost::train {

/// What a rank has sent for its strategy, in bytes: for a sum over N ranks of S bytes, 2 S (N-1)/N;
/// for a reduction to one rank or a broadcast S (N-1)/N, which is the mean of the ranks.
class SentBytes {
 public:
  void add(std::int64_t bytes, Traffic tag) {
    if (tag == Traffic::kStrategy) strategy_ += bytes;
  }
  std::int64_t strategy() const { return strategy_; }

 private:
  std::atomic<std::int64_t> strategy_ = 0;
};

class CountingCommunicator : public Communicator {
 public:
  /// `memory`: null where only traffic is counted.
  CountingCommunicator(Communicator& inner, SentBytes& sent, MemoryCounter* memory)
      : inner_(inner), sent_(sent), memory_(memory) {}
  CountingCommunicator(std::unique_ptr<Communicator> inner, SentBytes& sent, MemoryCounter* memory)
      : owned_(std::move(inner)), inner_(*owned_), sent_(sent), memory_(memory) {}

  int rank() const override { return inner_.rank(); }
  int world() const override { return inner_.world(); }
  bool sums_in_rank_order() const override { return inner_.sums_in_rank_order(); }
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
  void barrier(Traffic tag) override { inner_.barrier(tag); }
  void abort(std::string_view reason) noexcept override { inner_.abort(reason); }

 private:
  const std::unique_ptr<Communicator> owned_;  // null where it is borrowed
  Communicator& inner_;
  SentBytes& sent_;
  MemoryCounter* const memory_;
};

}  // namespace trainhost::train
