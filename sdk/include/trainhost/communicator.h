// Communicator: the collectives of a group of ranks.
//
// Purpose: moves and reduces tensors between the ranks of a run; strategies are built on nothing
// else. Owner: made by a DeviceSession, owned by the host; strategies and models borrow it.
// Threads and ranks: every operation is [collective]: all ranks issue the same operations in the
// same order, each rank from one thread at a time. An operation starts at once or is queued in the
// order of issue; the caller keeps the tensors alive and untouched until the Work is done.
// Shapes: tensors are contiguous; only the number of elements counts. Types: fp64, fp32, bf16,
// fp16, i64, u8, the same on all ranks. 16-bit sums are accumulated in fp32 and rounded once.
// Errors: Error (Failure::kRankLost) from the call or from Work::wait when the time-out passes or
// the run is aborted; it names the operation and the ranks that did not come.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace trainhost {

enum class ReduceOp { kSum, kMin, kMax };

/// Who asked for the operation. A strategy's claims cover kStrategy alone.
enum class Traffic { kStrategy, kModel, kHost };

/// An operation under way. Destroying it without wait() is allowed only after abort().
class Work {
 public:
  virtual ~Work() = default;
  /// Returns when the result may be read; rethrows what went wrong.
  virtual void wait() = 0;
};

/// Null: the operation is done already (small operations on CPU run in the caller).
using WorkHandle = std::unique_ptr<Work>;

inline void wait(const WorkHandle& work) {
  if (work) work->wait();
}

class Communicator {
 public:
  virtual ~Communicator() = default;

  virtual int rank() const = 0;
  virtual int world() const = 0;

  /// Whether a sum is ((r0 + r1) + r2) + … for every element, whatever the sizes: the condition
  /// under which two strategies that use different collectives give the same bits.
  virtual bool sums_in_rank_order() const = 0;

  /// A flat buffer [bytes] of u8 on the session's device, zeroed, aligned to 64 bytes, that this
  /// communicator reduces without a copy (shared or registered memory). Every rank asks for the
  /// same size. It lives until the last tensor that views it is gone, on this rank.  [collective]
  virtual at::Tensor allocate(std::int64_t bytes) = 0;

  /// data := op over ranks of data, on every rank.  [collective]
  virtual WorkHandle all_reduce(at::Tensor data, ReduceOp op, Traffic tag) = 0;

  /// As all_reduce, but only `root` has the result; the others' data is undefined. [collective]
  virtual WorkHandle reduce(at::Tensor data, int root, ReduceOp op, Traffic tag) = 0;

  /// output [counts[rank]] := this rank's part of the sum over ranks of input [Σ counts].
  /// `output` may be that very part of `input`.  [collective]
  virtual WorkHandle reduce_scatter(at::Tensor output, at::Tensor input,
                                    std::span<const std::int64_t> counts, ReduceOp op,
                                    Traffic tag) = 0;

  /// output [Σ counts] := the ranks' inputs [counts[r]] one after the other. `input` may be this
  /// rank's part of `output`.  [collective]
  virtual WorkHandle all_gather(at::Tensor output, at::Tensor input,
                                std::span<const std::int64_t> counts, Traffic tag) = 0;

  /// data := root's data.  [collective]
  virtual WorkHandle broadcast(at::Tensor data, int root, Traffic tag) = 0;

  /// Sends input_counts[r] elements to each rank r and receives output_counts[r] from it, both in
  /// rank order.  [collective]
  virtual WorkHandle all_to_all(at::Tensor output, at::Tensor input,
                                std::span<const std::int64_t> output_counts,
                                std::span<const std::int64_t> input_counts, Traffic tag) = 0;

  /// Returns when every rank has come, and all that was issued before is done.  [collective]
  virtual void barrier(Traffic tag) = 0;

  /// Ends all waiting on this rank, now and later, with an Error. Any thread.
  virtual void abort(std::string_view reason) noexcept = 0;
};

}  // namespace trainhost
