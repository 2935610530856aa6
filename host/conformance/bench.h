// Bench: a recipe for checks, and runs of it in rank processes.
//
// Purpose: what checks share: the plan of a variant for a world, runs as threads of one process
// (host/train/conform.h), runs as processes. Owner: a check; the folder goes away with it. Threads
// and ranks: the check's child process, one thread.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "host/cli/prepared_run.h"
#include "host/cli/prove_report.h"
#include "host/conformance/check.h"
#include "host/launch/supervise.h"
#include "host/plugins/catalog.h"
#include "host/recipe/recipe.h"

namespace trainhost::conformance {

/// One run of a bench's recipe.
struct Variant {
  std::string label;  ///< for people: "tied weights"
  int world = 1;
  bool reference = false;                ///< under `single` with so many virtual ranks
  std::vector<std::string> overrides{};  ///< of the recipe
  std::string kind = "prove";            ///< of host/train/conform.h
  std::int64_t steps = 0;                ///< prove: of each objective; 0: all
  std::string resume{}, directory{};
  std::vector<std::vector<int>> split{};  ///< loss: of each micro-batch, what share each rank gets
  bool watch_usage = false;
};

/// What came of it.
struct RunResult {
  explicit RunResult(const std::string& label) : state(label) {}
  cli::ProvedRun state;
  nlohmann::json report{};  ///< of host/train/conform.h; null where the process ended before
  std::string failure{};    ///< "" or the first failure's words
};

class Bench {
 public:
  /// `model`: "tiny" or "transformer", or the file of a model; `recipe`: more of the recipe, as
  /// "key=value" words.
  Bench(const Subject& subject, const std::string& model, std::vector<std::string> recipe = {});
  ~Bench();
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  const std::string& folder() const { return folder_; }

  /// Each variant's run, in one process of rank threads. Throws CheckCrashed where that was lost.
  std::vector<RunResult> run(const std::vector<Variant>& variants);

  /// One process, or one for each rank, with another job.
  struct Answered {
    launch::Ending ending;
    std::vector<nlohmann::json> said;  ///< by rank: the summaries' JSON
  };
  Answered ask(const Variant& variant, const std::string& job, const std::string& text,
               int processes);

  /// A run of processes, as a user's (job "train" or "prove").
  struct Launched {
    cli::ProvedRun state;
    launch::Ending ending;
    double seconds = 0;
    bool stood_in = false;  ///< something stood in for what the recipe named
  };
  Launched launch(const Variant& variant, const std::string& job);

  /// As recipe and command line would have it, on so many devices. (Ranks that are threads of one
  /// process need one.)
  cli::PreparedRun prepare(const Variant& variant, int devices);
  /// The recipe, with the candidate's strategy.
  recipe::Recipe recipe(const Variant& variant);
  plugins::Catalog& catalog() { return catalog_; }

  /// The recipe as Lua, without the overrides.
  std::string source(const Variant& variant) const;

  /// The id of the device.
  const std::string& device() const { return device_; }

 private:
  bool needs_one_device(const Variant& variant) const;
  std::vector<std::string> overrides_for(const Variant& variant) const;

  const Subject& subject_;
  const std::string model_;  // a file
  const std::vector<std::string> words_;
  plugins::Catalog catalog_;
  std::string device_, folder_;
};

/// "with 3 ranks and seed 1": where a check was when it failed.
std::string place_text(const Subject& subject, const Variant& variant);

/// Throws Error (kPlugin): `what`, and where.
[[noreturn]] void fail(const Subject& subject, const Variant& variant, const std::string& what,
                       const std::string& expected = "", const std::string& got = "");

/// Throws where the run failed.
void require_done(const Subject& subject, const Variant& variant, const RunResult& run);

/// The worlds that were asked for, or those of them above 1. Throws CheckSkipped where none is.
std::vector<int> worlds_of(const Subject& subject);
std::vector<int> worlds_above_one(const Subject& subject);

}  // namespace trainhost::conformance
