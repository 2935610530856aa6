// RankExecution: the host's side of Execution, between a model's rank and its strategy's session.
//
// Purpose: the one hook point around every unit. Owner: the trainer. Threads and ranks: one for
// each rank, used from its thread (unit functions may run again on autograd's threads).
#pragma once

#include <cstdint>
#include <utility>

#include "host/train/autocast.h"
#include "host/train/collectives.h"
#include "host/train/economies.h"
#include "trainhost/communicator.h"
#include "trainhost/execution.h"
#include "trainhost/strategy.h"

namespace trainhost::train {

class RankExecution : public Execution {
 public:
  RankExecution(StrategySession& session, Communicator& communicator, at::Device device,
                std::uint64_t seed, Economies economies = {})
      : session_(session),
        communicator_(communicator),
        device_(device),
        seed_(seed),
        economies_(std::move(economies)),
        collectives_(communicator, [this] { session_.hold(false); }) {}

  /// With gradients, multiplied by `loss_scale`; `last_batch`: the last micro-batch of the
  /// optimizer step.
  void begin_micro_batch(bool last_batch, double loss_scale = 1);
  /// For what a loss computes outside of units.
  Autocast autocast() const { return {device_.type(), economies_.autocast}; }
  /// Makes sure that backward was called with `last`: a loss that has done its own is left alone.
  void finish_micro_batch(const at::Tensor& loss_sum);
  /// Without gradients.
  void begin_inference() { training_ = false; }

  Tensors run(int unit, const UnitFunction& function, const Tensors& inputs) override;
  void backward(const Tensors& outputs, const Tensors& gradients, bool last) override;
  at::Tensor all_gather(const at::Tensor& rows, std::span<const std::int64_t> rows_of) override;
  at::Tensor reduce_scatter(const at::Tensor& rows, std::span<const std::int64_t> rows_of) override;
  at::Tensor all_reduce(const at::Tensor& value) override;
  void sum_over_ranks(std::span<double> values) override;

  bool training() const override { return training_; }
  int rank() const override { return communicator_.rank(); }
  int world() const override { return communicator_.world(); }
  at::Device device() const override { return device_; }
  Random random(std::string_view stream) const override { return Random(seed_, stream); }

 private:
  Tensors run_as(Pass pass, int unit, const UnitFunction& function, const Tensors& inputs);
  Tensors run_to_recompute(int unit, const UnitFunction& function, const Tensors& inputs);
  Tensors seeds(const Tensors& outputs, const Tensors& gradients) const;

  // Constant after construction.
  StrategySession& session_;
  Communicator& communicator_;
  const at::Device device_;
  const std::uint64_t seed_;
  const Economies economies_;

  ModelCollectives collectives_;
  bool training_ = false;
  bool last_batch_ = false;
  double loss_scale_ = 1;
  bool reduced_ = false;  // backward was called with `last` in this micro-batch
};

}  // namespace trainhost::train
