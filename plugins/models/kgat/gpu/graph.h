// The graph and a batch's frontier in a device's memory, as the kernels take them.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>

#include "gpu/kernels.h"
#include "gpu/plan.h"

namespace kgat::gpu {

/// Throws trainhost::Error when `failure`, a result of the table, is one.
void check(const char* failure, const char* operation, at::Device device);

/// Purpose: the graph's pattern on a device, and the table of kernels that works on it.
/// Owner: a rank; owns its tensors, shares the graph. Threads: immutable after it was made.
class DeviceGraph {
 public:
  DeviceGraph(const Table& table, std::shared_ptr<const Graph> graph, at::Device device);

  const Table& table() const { return *table_; }
  const Graph& graph() const { return *graph_; }
  at::Device device() const { return device_; }
  int index() const { return device_.has_index() ? device_.index() : 0; }

  const std::int32_t* offsets() const { return pointer(packed_, offsets_); }
  const std::int32_t* tails() const { return pointer(packed_, tails_); }
  /// Place of each edge's (head, relation) among the queries of the attention.
  const std::int32_t* query_of() const { return pointer(packed_, query_of_); }
  const std::int32_t* query_heads() const { return pointer(packed_, query_heads_); }
  const Block* query_blocks() const;
  std::int32_t n_query_blocks() const { return static_cast<std::int32_t>(query_blocks_.size / 3); }
  /// All nodes.
  const Rows& all_rows() const { return all_rows_; }
  /// values[transposed[e]] of values [n_edges].
  at::Tensor transposed(const at::Tensor& values) const;

 private:
  const Table* table_;
  std::shared_ptr<const Graph> graph_;
  at::Device device_;
  Range offsets_, tails_, transposed_, query_of_, query_heads_, query_blocks_;
  at::Tensor packed_;
  Rows all_rows_;
};

/// Purpose: a batch's plan on the device, with the positions of its levels. Owner: owns its
/// tensors; lives until backward is done. Threads: immutable after it was made.
class DeviceBatch {
 public:
  DeviceBatch(const DeviceGraph& graph, const BatchPlan& plan);

  const Rows& level(int layer) const { return levels_[static_cast<std::size_t>(layer)]; }
  /// The batch's nodes.
  const Rows& batch() const { return levels_.back(); }

  std::int32_t n_samples = 0;
  const std::int32_t *users = nullptr, *positives = nullptr, *negatives = nullptr;
  const std::int32_t *offsets = nullptr, *occurrences = nullptr;

 private:
  at::Tensor packed_;
  std::vector<at::Tensor> positions_;
  std::vector<Rows> levels_;
};

}  // namespace kgat::gpu
