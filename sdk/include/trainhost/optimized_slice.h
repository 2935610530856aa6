// OptimizedSlice: a piece of a parameter with all that its updates need.
//
// Purpose: what every strategy does to what it holds, whole parameters or shards: measure the
// gradients (global norm, overflow), update, keep the states of each objective and fp32 masters of
// 16-bit parameters, and list them for checkpoints. A building block, not a contract (link
// trainhost::blocks). Owner: a StrategySession. Threads and ranks: the rank's thread.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "trainhost/strategy.h"

namespace trainhost {

/// Where a strategy puts masters and optimizer states that are not to lie beside the values. The
/// update runs on that device.
struct SliceMemory {
  at::Device device;
  /// A flat tensor with any values; pinned where `device` is the CPU and the values' is another.
  std::function<at::Tensor(std::int64_t count, at::ScalarType type)> allocate;
};

struct OptimizedSlice {
  std::string name;  ///< the parameter's full name
  const ParameterSpec* spec = nullptr;
  int unit = 0, group = -1;
  std::int64_t offset = 0;  ///< in the flattened parameter: a multiple of Optimizer::kNormBlock
  at::Tensor values;        ///< flat, of the parameter's type: what the model computes with
  bool touched = false;     ///< got a gradient in this optimizer step
  /// Flat fp32: of 16-bit parameters, and where the update runs on another device than that of
  /// `values`. Made at the first update.
  at::Tensor master{};
  /// One for each objective, made at its first update: objectives share parameters, not states.
  struct History {
    Tensors states{};
    at::Tensor updates{};  ///< i64 [1]
  };
  std::vector<History> histories{};
  const SliceMemory* memory = nullptr;  ///< of master and states; null: beside the values
};

/// The reduced gradient of a slice: flat, in the parameter's type or fp32, on any device.
struct SliceGradient {
  OptimizedSlice* slice;
  at::Tensor gradient;
};

struct Measured {
  StepResult result;
  double divisor = 0;  ///< of the gradients: the request's, times what clipping demands
};

/// Whether each rank holds all the slices, or some.
enum class Held { kAll, kSome };

/// The global norm, where clipping or a check for overflow wants it.  [collective for kSome]
Measured measure(const AttachContext& context, std::span<const SliceGradient> gradients,
                 const StepRequest& request, Held held);

/// Updates the slices, unless the gradients overflowed or had no weight. What goes back to another
/// device is issued on its current stream and may be under way on return.
void step(const AttachContext& context, std::span<const SliceGradient> gradients,
          const StepRequest& request, const Measured& measured);

/// The optimizer's part of StrategySession::state. Where ranks hold some slices only, an update
/// count is saved by the rank that has the parameter's first element.
void append_optimizer_state(const AttachContext& context, OptimizedSlice& slice, bool for_loading,
                            Held held, std::vector<StateSlice>& out);

}  // namespace trainhost
