// The command line's `key.sub=value`, applied to a recipe before it is checked, so that a wrong
// override meets the same checks, with "command line" as its place.
//
// Threads and ranks: the parent only.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "host/recipe/problems.h"
#include "trainhost/options.h"

namespace trainhost::recipe {

struct Override {
  std::vector<std::string> keys;  ///< "train.epochs" → {"train", "epochs"}; never empty
  Value value;
};

/// True for what should be read as an override rather than as a file: `name=…` with a dotted name.
bool looks_like_override(std::string_view argument);

/// Throws Error (kUser, "command line") on anything that is no `key=value`.
Override parse_override(std::string_view argument);

/// Applies in order. `recipe` has its choices normalized (choices.h) and keeps them so.
///   strategy=NAME     another strategy: the options of the previous one go; the same for model
///   optimizer=NAME    keeps lr, weight_decay and the schedule
///   devices=2, [0,2]  keeps the kinds that the recipe names; devices=cpu replaces everything
///   key=nil           takes the key out
void apply_overrides(Value& recipe, const std::vector<Override>& overrides, Problems& problems);

}  // namespace trainhost::recipe
