#include "host/train/measured_session.h"

#include "host/train/clock.h"

namespace trainhost::train {

void MeasuredSession::begin_step(int objective, int micro_batches) {
  memory_.reset_peak();
  held_ = memory_.current();
  sent_before_ = sent_.strategy();
  begun_ = now();
  inner_.begin_step(objective, micro_batches);
}

StepResult MeasuredSession::step(const StepRequest& request) {
  const double computed = now();
  const StepResult result = inner_.step(request);
  const double end = now();
  MeasuredStep& step = steps_.emplace_back();
  step.objective = request.objective;
  step.compute_seconds = computed - begun_;
  step.update_seconds = end - computed;
  step.step_seconds = end - (ended_ > 0 ? ended_ : begun_);
  step.held_bytes = held_;
  step.peak_bytes = memory_.peak();
  step.sent_bytes = sent_.strategy() - sent_before_;
  ended_ = end;
  return result;
}

}  // namespace trainhost::train
