// WatchedSession: a strategy's session that notes which units ran, and what the process held after
// each step.
//
// Owner: the job; borrows the session. Threads and ranks: as StrategySession.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "trainhost/strategy.h"

namespace trainhost::train {

class WatchedSession : public StrategySession {
 public:
  struct Watch {
    std::function<void(int unit, Pass pass)> unit{};
    std::function<void()> step_done{};
  };
  WatchedSession(StrategySession& inner, Watch watch) : inner_(inner), watch_(std::move(watch)) {}

  Lent before_unit(int unit, Pass pass) override {
    if (watch_.unit) watch_.unit(unit, pass);
    return inner_.before_unit(unit, pass);
  }
  Tensors after_unit(int unit, Tensors outputs, Pass pass) override {
    return inner_.after_unit(unit, std::move(outputs), pass);
  }
  void begin_step(int objective, int micro_batches) override {
    inner_.begin_step(objective, micro_batches);
  }
  void read_rows(std::span<const RowRead> rows) override { inner_.read_rows(rows); }
  void before_backward(Backward which) override { inner_.before_backward(which); }
  void after_backward(Backward which) override { inner_.after_backward(which); }
  void hold(bool on) override { inner_.hold(on); }
  StepResult step(const StepRequest& request) override {
    const StepResult result = inner_.step(request);
    if (watch_.step_done) watch_.step_done();
    return result;
  }
  void full_parameters(
      bool only_rank0,
      const std::function<void(const std::string&, const at::Tensor&)>& visit) override {
    inner_.full_parameters(only_rank0, visit);
  }
  std::vector<StateSlice> state(bool for_loading) override { return inner_.state(for_loading); }
  void state_loaded() override { inner_.state_loaded(); }

 private:
  StrategySession& inner_;
  const Watch watch_;
};

}  // namespace trainhost::train
