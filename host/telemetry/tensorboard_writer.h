// TensorBoardWriter: a run's events for `tensorboard --logdir runs`.
//
// Purpose: writes events.out.tfevents.* into the run directory: per objective loss, lr, grad_norm
// and samples_per_s, the memory of rank 0, each metric of each evaluation and its baseline, by
// global step. A resumed run starts another file; TensorBoard reads them as one. Owner: the parent
// of rank 0. Threads: one. A disk that is full ends the file, not the run: see ExtraFile.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "host/telemetry/event.h"
#include "host/telemetry/extra_file.h"
#include "host/telemetry/tensorboard_records.h"

namespace trainhost::telemetry {

class TensorBoardWriter {
 public:
  using Clock = std::function<double()>;  ///< seconds since 1970

  /// `void_from`: what earlier files of `folder` say of this step and later ones no longer counts;
  /// negative: there is nothing to void.
  explicit TensorBoardWriter(const std::string& folder, std::int64_t void_from = -1,
                             Clock clock = system_seconds);

  void text(const std::string& tag, const std::string& markdown);
  void hparams(const std::vector<Hparam>& hparams);
  /// Steps that are logged, evaluations and stand-ins; all others pass.
  void take(const Event& event);

  void flush() { file_.flush(); }
  std::string take_warning() { return file_.take_warning(); }
  const std::string& path() const { return file_.path(); }

  static double system_seconds();

 private:
  void add(std::int64_t step, const std::vector<Scalar>& scalars);

  Clock clock_;
  std::int64_t step_ = 0;  ///< the last one seen; of texts
  ExtraFile file_;
};

}  // namespace trainhost::telemetry
