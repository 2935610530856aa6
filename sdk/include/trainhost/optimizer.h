// Optimizer: the one kernel that every strategy applies to the slices it holds.
//
// Purpose: the update of a flat slice of a parameter, such that a slice is updated to the same bits
// whether it is updated alone or as part of the whole: so all strategies agree. That holds for
// slices that begin at a multiple of kSliceGranularity elements of the parameter and end at one or
// at the parameter's end: elsewhere the kernels' vector loop and its scalar rest would change
// places, which now and then round differently (seen with LibTorch 2.11's fused CPU kernels).
// Owner: made by the host from the recipe, lent to StrategySession. Threads and ranks: stateless
// apart from the settings; the states live in the slices; called from the rank's thread or a
// strategy's own.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "trainhost/exact_sum.h"
#include "trainhost/execution.h"

namespace trainhost {

/// A piece of a parameter on the device where it is to be updated (the CPU under offload). All
/// tensors are flat, contiguous and of the same length.
struct ParameterSlice {
  const std::string* name = nullptr;  ///< the parameter's full name
  /// Of the slice in the flattened parameter: a multiple of Optimizer::kSliceGranularity.
  std::int64_t offset = 0;
  at::Tensor parameter;       ///< fp32 (the master copy where the model is 16-bit)
  at::Tensor gradient;        ///< summed over micro-batches and ranks, not yet divided
  Tensors* states = nullptr;  ///< fp32, as Optimizer::states names them; updated in place
  int group = -1;             ///< index in ModelSpec::groups, -1 for none
  std::int64_t step = 1;      ///< how often this parameter was updated, this time included
};

struct OptimizerStateSpec {
  std::string name;  ///< "exp_avg"
  double initial = 0;
};

class Optimizer {
 public:
  virtual ~Optimizer() = default;

  /// The states a parameter needs, one value an element each.
  virtual std::vector<OptimizerStateSpec> states() const = 0;

  /// Updates the slices with gradient / divisor. `divisor` is the global weight, multiplied by what
  /// clipping demands: one division for each element, whatever the strategy.
  virtual void step(std::span<ParameterSlice> slices, double lr, double divisor) = 0;

  static constexpr std::int64_t kSliceGranularity = 16;

  /// Adds gradient² of the slice, in blocks of fixed logical positions, so that the sum does not
  /// depend on how slices were cut at multiples of kNormBlock.
  static constexpr std::int64_t kNormBlock = 4096;
  virtual void add_squares(const ParameterSlice& slice, ExactSum& sum) const = 0;
};

}  // namespace trainhost
