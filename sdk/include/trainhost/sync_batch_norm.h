// SyncBatchNorm: batch normalisation over the rows of all ranks.
//
// Purpose: the statistics of a batch (Ioffe and Szegedy, "Batch Normalization", 2015) do not depend
// on how it is split: values, gradients and running statistics equal those of one process with all
// rows. Owner: a model's rank keeps one for each layer; its tensors belong to a unit, as any
// others. Threads and ranks: immutable; apply() is [collective], in training also where this rank
// has no rows. Shapes: x [n, channels, …], floating; rows_of[r] is what rank r has of n. The other
// dimensions are equal on all ranks. Statistics are of x's type, of fp32 where that has 16 bits.
// Errors: Error (Failure::kPlugin) for another shape; kUser where a channel has one value alone on
// all ranks together, which has no variance.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/ScalarType.h>

#include <cstdint>
#include <span>
#include <string>

#include "trainhost/execution.h"
#include "trainhost/unit.h"

namespace trainhost {

class SyncBatchNorm {
 public:
  struct Settings {
    double epsilon = 1e-5;
    double momentum = 0.1;              ///< of the new statistics in the running ones
    at::ScalarType dtype = at::kFloat;  ///< of the parameters and buffers
  };

  /// Adds to `unit`, which is or will be number `index` of ModelSpec::units, the parameters
  /// "NAME.weight" (ones) and "NAME.bias" (zeros), [channels] in group `group`, and the buffers
  /// "NAME.running_mean" and "NAME.running_var".
  SyncBatchNorm(UnitSpec& unit, int index, const std::string& name, std::int64_t channels,
                Settings settings, const std::string& group = "");
  SyncBatchNorm(UnitSpec& unit, int index, const std::string& name, std::int64_t channels)
      : SyncBatchNorm(unit, index, name, channels, Settings()) {}

  /// In training: by the statistics of all ranks' rows, and where there is a graph the running
  /// statistics move (GradCache's first pass moves nothing); two collectives: a gather of
  /// 2 · channels numbers a rank, and its gradient in backward. Otherwise by the running
  /// statistics, without a collective, and rows_of is not looked at.  [collective]
  at::Tensor apply(const at::Tensor& x, std::span<const std::int64_t> rows_of,
                   Execution& execution) const;

 private:
  /// Of a channel over all rows of all ranks: [channels].
  struct Statistics {
    at::Tensor mean, variance;
    double count = 0;
  };

  void check(const at::Tensor& x, std::span<const std::int64_t> rows_of,
             const Execution& execution) const;
  Statistics statistics(const at::Tensor& x, std::span<const std::int64_t> rows_of,
                        Execution& execution) const;
  void remember(const Statistics& batch, Execution& execution) const;

  int unit_;
  std::string name_;
  std::int64_t channels_;
  Settings settings_;
  std::size_t first_parameter_, first_buffer_;
};

}  // namespace trainhost
