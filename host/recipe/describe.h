// `trainhost describe`: a recipe's plan in a column per world size.
//
// A world whose scaling rules do not work out (a global batch that does not divide) says so in its
// column; the others stand. Threads and ranks: the parent only.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "host/recipe/recipe.h"

namespace trainhost::recipe {

struct DescribeColumn {
  World world;
  std::optional<RunPlan> plan;  ///< absent: `problem` says why
  std::string problem;
};

struct Description {
  RunPlan base;  ///< what all columns share
  std::vector<DescribeColumn> columns;
  std::string machine;  ///< "yes: cpu, 2 cores", or "no because …"
  bool exact = true;    ///< the strategy gives the numbers of one process
};

/// Resolves the recipe for every world. `machine` says whether this machine can run it.
Description describe(const Recipe& recipe, const std::vector<World>& worlds, std::string machine);

/// What saves traffic and memory besides the precision, to stand behind it: ", gradients travel in
/// bf16, activation checkpointing of all units"; "" for nothing.
std::string economies_text(const RunPlan& plan);

/// For people; ends with a line end.
std::string describe_text(const Description& description);

/// For scripts: {"name", "recipe", …, "machine", "worlds": [{"ranks", "plan" | "problem"}]}.
std::string describe_json(const Description& description);

}  // namespace trainhost::recipe
