// Batches: which rows of the global, seeded data order a rank works on.
//
// The data order of an objective is global: optimizer step `step` of epoch `epoch` consists of rows
// [0, rows(epoch, step)), and which rank takes which rows is the host's business. So the order is
// the same for every number of ranks, and a run resumes exactly. Every rank gets the same number of
// micro-batches a step, some possibly with zero rows.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace trainhost {

/// A piece of a step's global batch.
struct Slice {
  std::int64_t epoch = 0;           ///< from 0
  std::int64_t step = 0;            ///< within the epoch, from 0
  std::int64_t global_step = 0;     ///< of this objective since the start of the run, from 0
  std::int64_t begin = 0, end = 0;  ///< rows of the step's global batch; begin == end is allowed
  /// Rows of each rank's slice in this micro-step, in rank order: what Execution::all_gather wants,
  /// and what must be the same on all ranks (GradCache's number of parts) is computed from.
  std::vector<std::int64_t> rows_of{};
};

/// The rows of a row-sparse parameter that a micro-batch reads.
struct RowRead {
  std::string parameter;  ///< full name
  at::Tensor rows;        ///< i64 [n], sorted, unique
};

struct Batch {
  Slice slice;
  std::vector<at::Tensor> tensors;   ///< the model's own order; the host moves them to the device
  std::vector<RowRead> row_reads{};  ///< for the objectives that declare row_reads
  /// Whatever else the model's loader worked out ahead of the step; opaque to the host.
  std::shared_ptr<const void> extra{};

  std::int64_t rows() const { return slice.end - slice.begin; }
};

/// Purpose: random access to the data order of one objective. Owner: the host; made by the rank
/// instance of a model. Threads: [loader thread] — `load` is called from one or several loader
/// threads at once, ahead of the step; it must not use the model's mutable state or collectives.
class BatchSource {
 public:
  virtual ~BatchSource() = default;

  /// Optimizer steps of an epoch at `effective_batch` rows a full step. Cheap: asked of all epochs.
  virtual std::int64_t steps(std::int64_t epoch, std::int64_t effective_batch) = 0;
  /// Rows of a step's global batch: at most `effective_batch`, at least 1.
  virtual std::int64_t rows(std::int64_t epoch, std::int64_t step,
                            std::int64_t effective_batch) = 0;
  /// The tensors of a slice, in CPU memory.  [loader thread]
  virtual Batch load(const Slice& slice, std::int64_t effective_batch) = 0;
};

}  // namespace trainhost
