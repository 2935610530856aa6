// StepCosts: what the steps of a run took, in time and in bytes sent, for summary.json.
//
// Purpose: benchmarks compare runs by these. Owner: the trainer of rank 0. Threads and ranks: the
// rank's thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace trainhost::train {

class StepCosts {
 public:
  /// A step is over. `rows`: of its batch over all ranks; `sent_bytes`: by this rank's strategy.
  void add(const std::string& objective, std::int64_t rows, double seconds,
           std::int64_t sent_bytes);

  /// Of all steps together and of each objective: {"steps", "rows", "seconds", "samples_per_s",
  /// "step_ms": {"median", "p95"}, "sent_bytes_per_step"}; null where there was no step. Median
  /// and percentile are of the last kKept steps.
  nlohmann::ordered_json all() const;
  nlohmann::ordered_json by_objective() const;

  static constexpr std::size_t kKept = 65'536;

 private:
  struct Sum {
    std::int64_t steps = 0, rows = 0, sent_bytes = 0;
    double seconds = 0;
    std::deque<double> last;  // seconds

    void add(std::int64_t rows, double seconds, std::int64_t sent_bytes);
    nlohmann::ordered_json json() const;
  };
  Sum all_;
  std::map<std::string, Sum> objectives_;
};

}  // namespace trainhost::train
