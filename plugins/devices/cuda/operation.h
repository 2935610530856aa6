// Description: one collective as a rank issues it: the text by which errors name it, and the checks
// that every communicator of this plugin makes before it starts one.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <string>

#include "trainhost/communicator.h"

namespace cuda {

using Counts = std::span<const std::int64_t>;

enum class Kind {
  kAllReduce,
  kReduce,
  kReduceScatter,
  kAllGather,
  kBroadcast,
  kAllToAll,
  kBarrier
};

/// What must be equal on all ranks, apart from the counts of each rank.
struct Description {
  Kind kind = Kind::kBarrier;
  at::ScalarType type = at::kByte;
  trainhost::ReduceOp op = trainhost::ReduceOp::kSum;
  int root = 0;
  std::int64_t count = 0;  ///< elements of the whole vector; this rank's own for all_to_all

  /// Whether the two may meet.
  bool fits(const Description& other) const;
  /// "all_reduce (sum) of 1048576 Float".
  std::string text() const;
};

/// Purpose: what a communicator is asked for, checked; a misfit is Error (kRun) naming the group,
/// the operation, and what was expected. Owner: a value. Threads: immutable.
class Checker {
 public:
  Checker(std::string group, int rank, int world, at::Device device)
      : group_(std::move(group)), rank_(rank), world_(world), device_(device) {}

  Description in_place(Kind kind, const at::Tensor& data, int root, trainhost::ReduceOp op) const;
  Description reduce_scatter(const at::Tensor& output, const at::Tensor& input, Counts counts,
                             trainhost::ReduceOp op) const;
  Description all_gather(const at::Tensor& output, const at::Tensor& input, Counts counts) const;
  Description all_to_all(const at::Tensor& output, const at::Tensor& input, Counts output_counts,
                         Counts input_counts) const;

  const std::string& group() const { return group_; }
  int rank() const { return rank_; }
  int world() const { return world_; }
  at::Device device() const { return device_; }

 private:
  [[noreturn]] void refuse(Kind kind, const std::string& what, const std::string& expected,
                           const std::string& got) const;
  void check(Kind kind, const char* which, const at::Tensor& tensor) const;
  void check_pair(Kind kind, const at::Tensor& output, const at::Tensor& input) const;
  std::int64_t check_counts(Kind kind, Counts counts) const;
  void check_size(Kind kind, const char* which, const at::Tensor& tensor, std::int64_t count) const;

  const std::string group_;
  const int rank_, world_;
  const at::Device device_;
};

/// Where each rank's part begins: [world + 1].
std::vector<std::int64_t> offsets_of(Counts counts);

/// `count` elements in about equal parts, cut at multiples of 16 elements: [world].
std::vector<std::int64_t> even_parts(std::int64_t count, int world);

}  // namespace cuda
