// Events: what a rank tells its parent while it trains, one JSON object a line on a pipe.
//
// Purpose: the parent turns them into the console, metrics.jsonl, summary.json and log.txt; a rank
// itself prints nothing. Owner: values. Threads and ranks: see EventWriter. Rank 0 sends what the
// user is to see (step, evaluation, ready, checkpoint, stand-in); every rank sends phase, log,
// summary and, at the end of a failed run, failed. What a rank is doing is kept in the control page
// (launch/control.h), where it survives `kill -9`.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "trainhost/error.h"
#include "trainhost/host.h"

namespace trainhost::telemetry {

inline constexpr double kNone = std::numeric_limits<double>::quiet_NaN();  ///< "not known"

/// One line of the log. Rank 0's reach the console, the others' only log.txt, but warnings of any.
struct Log {
  Host::Level level = Host::Level::kInfo;
  int rank = 0;
  std::string text{};
};

/// How far a long piece of work outside the steps has come; may be dropped. total <= 0: not known.
struct Progress {
  std::string what{};
  std::int64_t done = 0;
  std::int64_t total = 0;
};

/// What the results cannot be read without; shown in a box and kept in summary.json.
struct StandIn {
  std::string text{};
};

/// A part of the run has ended ("start", "data", "train", "evaluate", "checkpoint"): its seconds
/// add up by name in summary.json (rank 0's). `begin` only tells the console what goes on.
struct Phase {
  std::string name{};
  bool begin = true;
  double seconds = 0;  ///< of an end
};

/// Everything is loaded, the first step comes next.
struct Ready {
  struct Objective {
    std::string name{};
    std::int64_t steps_per_epoch = 0;
    std::int64_t rows_per_epoch = 0;
  };
  struct Fact {
    std::string key{}, value{};  ///< for the banner: "graph" → "184 k nodes, 1.2 M triples"
  };
  std::int64_t parameters = 0;
  std::int64_t parameter_bytes = 0;
  std::int64_t units = 0;
  std::int64_t epochs = 0;
  std::int64_t first_epoch = 0;  ///< after a resume; epochs count from 0 in events
  std::vector<Objective> objectives{};
  std::vector<Fact> facts{};
  std::string device{};  ///< the kind that the run uses: "cuda"
};

/// An optimizer step that is to be logged; may be dropped when the parent does not keep up. Values
/// are of the whole run, not of a rank; rates are means since the last one sent.
struct Step {
  std::string objective{};
  std::int64_t epoch = 0;
  std::int64_t step = 0;         ///< steps of this objective done in this epoch
  std::int64_t steps = 0;        ///< of this objective in an epoch
  std::int64_t global_step = 0;  ///< optimizer steps of all objectives so far
  double loss = kNone;
  double lr = kNone;
  double grad_norm = kNone;
  double samples_per_s = kNone;
  double step_ms = kNone;
  double data_wait_ms = kNone;  ///< part of step_ms that waited for the loader
  double memory_mb = kNone;     ///< of rank 0, now
  bool logged = true;           ///< false: moves the live line only, stays out of metrics.jsonl
  double utilisation = kNone;   ///< of rank 0's device since the last one logged, 0 to 1
  double power_watts = kNone;   ///< of rank 0's device, now
  double temperature_celsius = kNone;  ///< likewise
};

struct Evaluation {
  struct Metric {
    std::string name{};  ///< "recall@20"
    double value = kNone;
    double baseline = kNone;
  };
  std::int64_t epoch = 0;
  std::int64_t global_step = 0;
  std::string split{};  ///< "validation", "test"; may be empty
  std::vector<Metric> metrics{};
  std::string watched{};  ///< the metric that early stopping looks at; may be empty
  double best = kNone;    ///< the watched one's best so far, this one included
  bool is_best = false;   ///< this one is the best so far
  double seconds = kNone;
  std::string trivial{};  ///< the method that the baselines are of: "popularity"; may be empty
  struct Row {
    std::string file{}, header{}, line{};  ///< of a CSV file in eval/
  };
  std::vector<Row> rows{};
  bool midway = false;  ///< within that epoch, not at its end
};

/// "after epoch 2", "at step 500 in epoch 2", "before the first step" (epoch -1).
std::string place_of(const Evaluation& evaluation);

struct Checkpoint {
  std::string path{};
  std::int64_t epoch = 0;
  std::int64_t global_step = 0;
  double seconds = kNone;
};

/// The last word of a rank that did its work. `json`: of rank 0, an object whose members go into
/// summary.json over what the parent has gathered itself; may be empty.
struct Summary {
  int rank = 0;
  double peak_memory_mb = kNone;
  bool interrupted = false;  ///< ended early, with a checkpoint, because it was asked to
  std::string json{};
};

/// The last word of a rank that failed; the parts of an Error.
struct Failed {
  int rank = 0;
  Failure failure = Failure::kRun;
  std::string where{}, what{}, expected{}, got{}, fix{};
  std::string doing{};  ///< "" : the parent takes what the control page says
};

/// What a rank's part of the state looks like at a moment, for `prove`: every rank sends it, in
/// several events where the tensors are many.
struct State {
  struct Tensor {
    std::string name{};  ///< as in StateSlice
    std::string hash{};  ///< hexadecimal; hashes of the slices of one tensor add up modulo 2^64
    std::int64_t elements = 0;     ///< of this rank's slice
    std::int64_t of_elements = 0;  ///< of the whole tensor
    bool replicated = false;       ///< every rank has the whole
    double squares = 0;            ///< sum over this rank's slice
  };
  int rank = 0;
  std::string place{};  ///< "cf 3"
  double loss = kNone;  ///< of the step that just ended, over all ranks
  std::vector<Tensor> tensors{};
};

/// Sent by the writer itself: this many droppable events were lost.
struct Dropped {
  std::int64_t count = 0;
};

using Event = std::variant<Log, Progress, StandIn, Phase, Ready, Step, Evaluation, Checkpoint,
                           Summary, Failed, State, Dropped>;

/// One line of JSON without the line feed. A real that is not finite becomes null.
std::string to_line(const Event& event);

/// The inverse; a null real becomes NaN. Throws Error (kRun) on anything else: types, missing keys,
/// size, depth.
Event from_line(std::string_view line);

/// Lines longer than this are refused by from_line.
inline constexpr std::size_t kMaxLine = std::size_t{1} << 20;

Failed failed(int rank, const Error& error, std::string doing = {});

}  // namespace trainhost::telemetry
