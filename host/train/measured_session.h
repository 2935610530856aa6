// MeasuredSession: a strategy's session of which every step is timed and weighed.
//
// Purpose: the trainer trains as ever, and the probe learns what its steps cost. Owner: the probe;
// borrows session and counters. Threads and ranks: as StrategySession. Where ranks are threads of
// a process, the memory is that of all of them.
#pragma once

#include <vector>

#include "host/train/counting_communicator.h"
#include "host/train/memory_counter.h"
#include "trainhost/strategy.h"

namespace trainhost::train {

struct MeasuredStep {
  int objective = 0;
  double compute_seconds = 0;   ///< micro-batches, forward and backward, with what hides there
  double update_seconds = 0;    ///< the rest of the reduction, and the optimizer
  double step_seconds = 0;      ///< from the end of the step before
  std::int64_t held_bytes = 0;  ///< before it
  std::int64_t peak_bytes = 0;
  std::int64_t sent_bytes = 0;
};

class MeasuredSession : public StrategySession {
 public:
  MeasuredSession(StrategySession& inner, const SentBytes& sent, MemoryCounter& memory)
      : inner_(inner), sent_(sent), memory_(memory) {}

  /// Since the last call.
  std::vector<MeasuredStep> take() { return std::exchange(steps_, {}); }

  Lent before_unit(int unit, Pass pass) override { return inner_.before_unit(unit, pass); }
  Tensors after_unit(int unit, Tensors outputs, Pass pass) override {
    return inner_.after_unit(unit, std::move(outputs), pass);
  }
  void begin_step(int objective, int micro_batches) override;
  void read_rows(std::span<const RowRead> rows) override { inner_.read_rows(rows); }
  void before_backward(Backward which) override { inner_.before_backward(which); }
  void after_backward(Backward which) override { inner_.after_backward(which); }
  void hold(bool on) override { inner_.hold(on); }
  StepResult step(const StepRequest& request) override;
  void full_parameters(
      bool only_rank0,
      const std::function<void(const std::string&, const at::Tensor&)>& visit) override {
    inner_.full_parameters(only_rank0, visit);
  }
  std::vector<StateSlice> state(bool for_loading) override { return inner_.state(for_loading); }
  void state_loaded() override { inner_.state_loaded(); }

 private:
  StrategySession& inner_;
  const SentBytes& sent_;
  MemoryCounter& memory_;
  std::vector<MeasuredStep> steps_;
  double begun_ = 0, ended_ = 0;
  std::int64_t sent_before_ = 0, held_ = 0;
};

}  // namespace trainhost::train
