// Trainer: the loop over epochs, objectives and micro-batches of one rank.
//
// Purpose: drives model, strategy and loader; evaluation, checkpoints and telemetry hang on it. It
// knows nothing of devices, processes or how gradients are reduced. Owner: the rank program's main;
// borrows everything in Parts. Threads and ranks: the rank's thread; all ranks run the same loop.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "host/checkpoint/checkpoint.h"
#include "host/recipe/plan.h"
#include "host/train/counting_communicator.h"
#include "host/train/data_order.h"
#include "host/train/execution.h"
#include "host/train/kept_buffers.h"
#include "host/train/prefetcher.h"
#include "host/train/rank_host.h"
#include "host/train/step_costs.h"
#include "host/train/step_replay.h"
#include "trainhost/device.h"
#include "trainhost/model.h"
#include "trainhost/strategy.h"

namespace trainhost::train {

/// Why memory that ran out ends the run.
struct Refusal {
  const char* why;
  const char* fix;
};

class Trainer {
 public:
  struct Parts {
    const recipe::RunPlan& plan;
    RankHost& host;
    Model& model;
    const ModelSpec& spec;
    const std::vector<ObjectiveSpec>& objectives;
    ModelRank& rank;
    DeviceSession& device;
    Communicator& communicator;
    StrategySession& session;
    std::string run_directory;  ///< the same on every rank
    std::int64_t prove_steps;   ///< or of try_out, of each objective; 0: all there are
    Economies economies{};
    const SentBytes* sent = nullptr;  ///< by this rank for its strategy; null: not counted
    std::string claims{};             ///< of the strategy, a JSON object; "": none
    /// Of the groups that session and trainer were given; null: out of memory ends a run of several
    /// ranks.
    StepReplay* replay = nullptr;
  };

  explicit Trainer(const Parts& parts);

  /// Goes on from a checkpoint.  [collective]
  void resume(const std::string& folder);
  /// Trains to the end, to early stopping, or to an interrupt.  [collective]
  void run();
  /// Trains `prove_steps` steps of each objective and ends the epoch; tells the parent the hash of
  /// the state after each. Neither evaluates nor saves.  [collective]
  void prove();
  /// The same without a word to the parent: for a session that measures.  [collective]
  void try_out();

 private:
  struct Objective {
    std::string name;
    const recipe::ObjectivePlan* plan = nullptr;
    std::unique_ptr<BatchSource> source;
    std::int64_t total_steps = 0;  ///< of the whole run, for the schedule
  };
  /// Sums over the ranks of one optimizer step.
  struct StepTotals {
    double loss_sum = 0, weight = 0, stop = 0;
    double short_of_memory = 0;  // ranks
  };

  /// Takes over where a checkpoint stands, in steps of this run's batches.
  void take_position(const checkpoint::Position& loaded, const std::string& folder);

  Batch load(const LoadRequest& request);
  void start_loading();

  // The loop.
  void run_epoch();
  bool run_objective(int objective);
  void do_what_is_due();
  void run_few_steps(const std::function<void(const std::string& place)>& done);
  Loss loss_of(int objective, const Batch& batch);
  using NextBatch = std::function<Batch(std::int64_t micro_batch)>;
  StepTotals compute(int objective, const NextBatch& next);
  StepTotals run_micro_batches(int objective);
  bool may_back_off() const;
  [[noreturn]] void refuse_to_back_off(int objective, const Refusal& refusal) const;
  void come_to_the_end(int objective, const std::exception_ptr& out_of_memory);
  void back_off(int objective);
  void run_step(int objective, std::int64_t step, std::int64_t steps);
  void follow_loss_scale(int objective, const std::string& place, bool overflow);
  bool should_stop_now() const;

  // What hangs on it.
  void report_ready();
  void report_state(const std::string& place);
  void report_training_time();
  void report_step(int objective, std::int64_t steps, double lr, const StepResult& result);
  void begin_to_measure();
  void count_step(int objective);
  void warn_of_little_data();
  void evaluate();
  void save_best(const Evaluation& evaluation);
  void save_checkpoint();
  nlohmann::ordered_json claims_by_objective() const;
  void send_summary(bool interrupted);
  std::int64_t global_step() const;
  /// With the part of the epoch that is being trained.
  double epochs_passed() const;
  std::string place(int objective, std::int64_t step, std::int64_t steps) const;

  const Parts parts_;
  RankExecution execution_;
  std::vector<Objective> objectives_;
  checkpoint::Position position_;
  DataOrder order_;
  std::optional<KeptBuffers> kept_;  // where a step may begin anew
  std::unique_ptr<Prefetcher> prefetcher_;

  /// What was made smaller for want of memory.
  struct BackOff {
    std::string objective;
    std::int64_t step, micro_batch, accumulate;
  };
  std::vector<BackOff> back_offs_;

  bool interrupted_ = false, stopped_early_ = false;
  std::int64_t last_saved_step_ = -1;
  std::int64_t evaluated_step_ = 0;
  double last_loss_ = 0;  // over all ranks
  // Telemetry since the last step reported.
  double reported_at_ = 0, sent_at_ = 0, waited_ = 0;
  std::int64_t steps_since_report_ = 0;
  double training_since_ = 0;
  StepCosts costs_;
  double counted_at_ = 0;
  std::int64_t sent_before_ = 0;
};

}  // namespace trainhost::train
