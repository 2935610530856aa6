// TrainedRun: a trained model of an earlier run, and a process of one rank that uses it.
//
// Owner: the predict and export commands. Threads: the parent's only thread.
#pragma once

#include <string>
#include <vector>

#include "host/cli/arguments.h"
#include "host/cli/prepared_run.h"

namespace trainhost::cli {

class TrainedRun {
 public:
  /// Finds the model and decides where to run it. Enters the folder in which the run was started:
  /// paths of the command line are to be made absolute before. Throws Error (kUser) for what is no
  /// run, or a run without such a model.
  explicit TrainedRun(const TrainedModel& wanted);

  const std::string& run_directory() const { return run_directory_; }
  const std::string& source() const { return source_; }
  const recipe::RunPlan& plan() const { return run_.plan; }
  /// A JSON object: metrics and step of the model.
  const std::string& facts() const { return facts_; }

  struct Use {
    std::string job;     ///< "predict", "export"
    std::string target;  ///< absolute
    bool stream = false;
    std::vector<std::string> options;  ///< "key=value"
    std::string facts = "{}";          ///< a JSON object
  };
  /// Starts the rank, stays with it, and reports; the exit code.
  int use(const Use& use) const;

 private:
  void choose_model(const TrainedModel& wanted, const std::string& checkpoint);
  std::string job_text(const Use& use) const;

  std::string run_directory_, source_, facts_ = "{}";
  bool stand_in_allowed_ = false;
  PreparedRun run_;
};

}  // namespace trainhost::cli
