// TrainedRun: a trained model, of an earlier run or in a folder of another form, and the ranks that
// use it.
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
  enum class Job { kPredict, kExport };
  TrainedRun(const TrainedModel& wanted, Job job);

  const std::string& run_directory() const { return run_directory_; }
  /// The folder with the parameters; "" where the model itself reads them.
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
  /// Starts the ranks, stays with them, and reports; the exit code.
  int use(const Use& use) const;

 private:
  recipe::RunPlan plan_of_run(const TrainedModel& wanted, plugins::Catalog& catalog);
  void choose_model(const TrainedModel& wanted, const std::string& checkpoint);
  std::string job_text(const Use& use) const;

  std::string run_directory_, source_, facts_ = "{}";
  bool stand_in_allowed_ = false;
  PreparedRun run_;
};

}  // namespace trainhost::cli
