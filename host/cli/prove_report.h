// prove_report: what the ranks of several strategies said of their state, compared.
//
// Purpose: the verdict of `trainhost prove`, apart from how the runs were made. Owner: values.
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "host/telemetry/event.h"

namespace trainhost::cli {

/// What is known of the state under one strategy.
class ProvedRun {
 public:
  struct Tensor {
    std::string name;
    std::uint64_t hash = 0;
    std::int64_t elements = 0, of_elements = 0;  ///< found on the ranks, and there should be
    bool ranks_differ = false;                   ///< in what each should have whole
    double squares = 0;                          ///< sum over its elements
  };
  /// After a step, or at the end of the epoch.
  struct Place {
    std::string name;
    double loss = telemetry::kNone;
    std::vector<Tensor> tensors;
    std::map<std::string, std::size_t> index;
    const Tensor* find(const std::string& name) const;
  };

  explicit ProvedRun(std::string strategy, std::string label = {});

  /// Adds what one rank says. Throws Error (kRun) where it is no hash.
  void add(const telemetry::State& state);

  std::string strategy;  ///< plugin id
  std::string label;     ///< for people: "single, 2 virtual ranks"
  double seconds = 0;
  std::vector<Place> places;

  /// Of all tensors at the end, hexadecimal; "" where the run said nothing.
  std::string hash() const;
};

/// The first thing in which a run is not the reference.
struct Difference {
  std::string place;   ///< "kg 2"
  std::string tensor;  ///< "" where it is the loss, or the place itself
  std::string text;    ///< for people
};

/// What counts as equal. kBits: everything, bit for bit. kClose, for fast numerics: the losses, and
/// after the first step of an objective the norms of what its optimizer made of the gradients (the
/// states, which begin at zero), to kTolerance of them. A norm so small beside that of all tensors
/// that it is rounding (a bias without influence on the loss) is compared on the scale of these.
enum class Compare { kBits, kClose };
inline constexpr double kTolerance = 1e-5;

std::optional<Difference> first_difference(const ProvedRun& reference, const ProvedRun& run,
                                           Compare compare = Compare::kBits);

struct ProveFacts {
  Compare compare = Compare::kBits;
  std::string title, settings;  ///< the lines above the table
  std::int64_t world = 1, steps = 1, seed = 0;
  std::string device;
};

/// runs[0] is the reference.
bool all_equal(const std::vector<ProvedRun>& runs, Compare compare = Compare::kBits);
std::string prove_text(const ProveFacts& facts, const std::vector<ProvedRun>& runs);
std::string prove_json(const ProveFacts& facts, const std::vector<ProvedRun>& runs);

}  // namespace trainhost::cli
