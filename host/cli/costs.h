// Costs: what a recipe's run needs under each strategy and world, claimed, predicted and measured.
//
// Purpose: the arithmetic behind `trainhost describe`, apart from how the figures were got
// (cost_queries.h) and shown (cost_report.h). Owner: values. Threads: pure functions.
//
// The prediction. A rank's memory is what the strategy claims plus the activations a + b · rows,
// fitted to two probed batches. A step takes
//   (a + b · rows) · micro-batches        of forward and backward, fitted likewise
//   + the update under `single`, in the proportion of the optimizer states that the rank keeps
//   + bytes sent / rate                   the rate that collectives had on this machine.
// Nothing is taken off for collectives that run beside the computation: on a CPU the cores that
// move bytes are the cores that compute. A world larger than the cores takes them in turn: all that
// a world of as many ranks as cores takes, times ranks / cores.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace trainhost::cli {

/// As Claims of the SDK; bytes.
struct Claimed {
  std::int64_t parameters = 0, buffers = 0, gradients = 0, optimizer = 0, transient = 0;
  std::int64_t padding = 0, host = 0, sum = 0;
  std::vector<std::int64_t> traffic;  ///< by objective
  std::string problem;                ///< why there is none; "" otherwise
};

/// a + b · rows.
struct Line {
  double a = 0, b = 0;
  double at(double rows) const { return a + b * rows; }
};
/// Through two points; flat through the higher one where they do not rise, from the origin through
/// it where they would fall below zero: neither bytes nor seconds do.
Line line_through(double rows0, double value0, double rows1, double value1);

/// What so many unconnected ranks found on this machine.
struct Probed {
  struct Objective {
    Line activations;  ///< bytes
    Line compute;      ///< seconds of a micro-batch
    double update_seconds = 0;
  };
  std::int64_t ranks = 1;
  std::vector<Objective> objectives;
  double bytes_per_second = 0;  ///< of what a rank sends, with the others at it too; 0: one rank
  std::int64_t base_bytes = 0;  ///< of a process besides its tensors
  std::int64_t free_bytes = 0;  ///< on the machine, with these processes gone
};

struct Predicted {
  struct Objective {
    double compute_seconds = 0, update_seconds = 0, collective_seconds = 0;
    double step_seconds() const { return compute_seconds + update_seconds + collective_seconds; }
  };
  std::int64_t activations = 0;  ///< of the objective that has most
  std::vector<Objective> objectives;
};

/// What a run of the strategy itself showed; bytes are a rank's.
struct Measured {
  struct Objective {
    double step_seconds = 0;
    std::int64_t peak_bytes = 0, sent_bytes = 0;
  };
  std::vector<Objective> objectives;
  std::int64_t pss_bytes = -1;  ///< proportional resident size of a rank's process
};

struct StrategyCost {
  std::string strategy;
  bool own = false;      ///< the recipe's
  bool threads = false;  ///< its ranks are threads of one process
  Claimed claimed;
  std::optional<Predicted> predicted;
  std::optional<Measured> measured;
  std::optional<bool> fits;  ///< in the memory of this machine or device; absent: not known
};

struct WorldCost {
  std::int64_t ranks = 1;
  std::int64_t micro_batches = 1;
  std::vector<std::int64_t> rows;  ///< of a micro-batch of a rank, by objective
  std::vector<StrategyCost> strategies;
};

struct Costs {
  std::string problem;  ///< why nothing is known; "" otherwise
  std::int64_t parameters = 0;
  std::int64_t allocated_bytes = 0;  ///< in tensors, to find the claims out
  std::vector<std::string> objectives;
  std::vector<WorldCost> worlds;
  std::string device;  ///< "cpu"
  std::int64_t cores = 1;
  std::int64_t device_bytes = -1;  ///< of a device, or of the machine for "cpu"; -1: not known
  std::map<std::int64_t, Probed> probed;  ///< by ranks
};

/// The probe that stands for a world: of as many ranks, or of as many as there are cores. Null:
/// none.
const Probed* probe_for(const Costs& costs, std::int64_t ranks);

/// Of a rank: what is claimed, and this objective's activations.
std::int64_t predicted_bytes(const WorldCost& world, const StrategyCost& cost, const Probed& probed,
                             std::size_t objective);

/// Fills what follows from claims and probes: predicted, fits.
void predict(Costs& costs);

}  // namespace trainhost::cli
