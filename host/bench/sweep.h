// The runs of a sweep: which cases there are, and in which order they take turns.
//
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/bench/json.h"
#include "trainhost/options.h"

namespace trainhost::bench {

/// One thing that is compared with others.
struct Case {
  std::string label;
  std::string recipe;
  std::vector<std::string> overrides;
  Json at = Json::object();  ///< what was varied: {"strategy": "ddp", "devices": 2}
};

/// Every combination of the values of `vary` ({ strategy = { "ddp", "dp" }, devices = { 1, 2 } };
/// the first key changes slowest), each of `cases` ({ { label =, overrides =, recipe = }, … })
/// otherwise, or both combined. Throws Error (kUser) where there is none, or too many.
std::vector<Case> cases_of(const std::string& recipe, const Value& base, const Value& vary,
                           const Value& cases);

struct Turn {
  std::size_t which = 0;  ///< of the cases
  std::int64_t repeat = 1;
  bool warmup = false;
  friend bool operator==(const Turn&, const Turn&) = default;
};

enum class Order {
  kThereAndBack,  ///< "ABBA": every other round is reversed, so that a drift hits all alike
  kRounds,        ///< "ABAB"
  kOneByOne,      ///< "AABB"
};

/// Throws Error (kUser) for another name.
Order order_of(const std::string& name);

/// Warm-up rounds come first.
std::vector<Turn> turns_of(std::size_t cases, std::int64_t warmup, std::int64_t repeats,
                           Order order);

}  // namespace trainhost::bench
