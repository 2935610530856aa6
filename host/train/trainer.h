// Trainer: the loop over epochs, objectives and micro-batches of one rank.
//
// Purpose: drives model, strategy and loader; evaluation, checkpoints and telemetry hang on it. It
// knows nothing of devices, processes or how gradients are reduced. Owner: the rank program's main;
// borrows everything in Parts. Threads and ranks: the rank's thread; all ranks run the same loop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "host/checkpoint/checkpoint.h"
#include "host/recipe/plan.h"
#include "host/train/counting_communicator.h"
#include "host/train/execution.h"
#include "host/train/prefetcher.h"
#include "host/train/rank_host.h"
#include "host/train/step_costs.h"
#include "trainhost/device.h"
#include "trainhost/model.h"
#include "trainhost/strategy.h"

namespace trainhost::train {

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
  };

  /// Takes over where a checkpoint stands, in steps of this run's batches.
  void take_position(const checkpoint::Position& loaded, const std::string& folder);

  // Data order. An objective takes its steps 0, 1, …; which steps of the data order those are is
  // another thing when only some are to be taken.
  std::int64_t steps_of(std::int64_t objective, std::int64_t epoch) const;
  std::int64_t data_step(std::int64_t objective, std::int64_t epoch, std::int64_t step) const;
  std::optional<LoadRequest> following_request();
  Batch load(const LoadRequest& request);
  void start_loading();

  // The loop.
  void run_epoch();
  bool run_objective(int objective);
  void do_what_is_due();
  void run_few_steps(const std::function<void(const std::string& place)>& done);
  Loss loss_of(int objective, const Batch& batch);
  StepTotals run_micro_batches(int objective);
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
  checkpoint::Position loading_;  ///< what the loader hands out next; under the prefetcher's lock
  std::int64_t loading_micro_batch_ = 0;
  std::unique_ptr<Prefetcher> prefetcher_;

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
