// Execution: how a model computes. Everything between a model and its strategy goes through here.
//
// Purpose: `run` is the one hook point: strategies gather and free parameters there, and activation
// checkpointing, profiling and offload attach there. Owner: the host; lent to the model for the
// length of a call. Threads and ranks: the calling rank's thread. Operations marked [collective]
// are issued by all ranks in the same order, also by a rank whose micro-batch has no rows.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "trainhost/random.h"

namespace trainhost {

/// The tensors of a unit while its function runs: own parameters in declared order, then own
/// buffers, then what it borrows in the order of UnitSpec::borrows.
class UnitTensors {
 public:
  UnitTensors(std::span<const at::Tensor> parameters, std::span<const at::Tensor> buffers,
              std::span<const at::Tensor> borrowed)
      : parameters_(parameters), buffers_(buffers), borrowed_(borrowed) {}

  const at::Tensor& parameter(std::size_t index) const { return parameters_[index]; }
  const at::Tensor& buffer(std::size_t index) const { return buffers_[index]; }
  const at::Tensor& borrowed(std::size_t index) const { return borrowed_[index]; }

 private:
  std::span<const at::Tensor> parameters_, buffers_, borrowed_;
};

using Tensors = std::vector<at::Tensor>;
/// Captures no tensor that requires a gradient: such tensors come as inputs or as the unit's
/// tensors. May run again in backward (activation checkpointing), when the loss that called it has
/// returned: so it captures by value what does not live as long as the model's rank, changes no
/// input, gives the same values then, and calls no collective.
using UnitFunction = std::function<Tensors(const UnitTensors& unit, const Tensors& inputs)>;

class Execution {
 public:
  virtual ~Execution() = default;

  /// Runs `function` as unit `unit` (its index in ModelSpec::units) with its parameters in place.
  /// Parameters and buffers may be touched only inside. Under c10::NoGradGuard a training pass
  /// makes no graph (GradCache's first one).  [collective]
  virtual Tensors run(int unit, const UnitFunction& function, const Tensors& inputs) = 0;

  /// Backward from `outputs`. A null gradient stands for ones, to which the host applies its loss
  /// scale; gradients that are given come from such a backward and carry it already. A loss calls
  /// it only if it does its own backward (GradCache): then it does so in every micro-batch, also
  /// with zero rows; `last` marks its last call in this micro-batch, and the loss returned is
  /// detached.
  virtual void backward(const Tensors& outputs, const Tensors& gradients, bool last) = 0;

  /// Differentiable collectives. all_gather: [rows_of[rank], …] → [Σ rows_of, …] in rank order;
  /// reduce_scatter: [Σ rows_of, …] → [rows_of[rank], …], this rank's rows of the sum over ranks;
  /// each is the other's gradient. all_reduce sums over ranks, and so does its gradient.
  virtual at::Tensor all_gather(const at::Tensor& rows,
                                std::span<const std::int64_t> rows_of) = 0;  // [collective]
  virtual at::Tensor reduce_scatter(const at::Tensor& rows,
                                    std::span<const std::int64_t> rows_of) = 0;  // [collective]
  virtual at::Tensor all_reduce(const at::Tensor& value) = 0;                    // [collective]

  /// values[i] := the sum over ranks in rank order, on every rank: metrics, counts. [collective]
  virtual void sum_over_ranks(std::span<double> values) = 0;

  /// False in evaluation, hooks, prediction and export: there are no gradients then, and no
  /// dropout.
  virtual bool training() const = 0;
  virtual int rank() const = 0;
  virtual int world() const = 0;
  virtual at::Device device() const = 0;

  /// Random numbers of this run by stream name, keyed by the run's seed and never by the rank; the
  /// caller adds step, layer and the global id of the row (random.h).
  virtual Random random(std::string_view stream) const = 0;
};

}  // namespace trainhost
