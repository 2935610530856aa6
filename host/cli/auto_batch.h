// auto_batch: train.batch = "auto", the largest batch that takes less than nine tenths of memory.
//
// Purpose: each batch tried is a short run of its own, of all ranks, as the real one will be; the
// rank that needs most decides. What was found is kept in the cache for the next run of the same
// plan on the same devices. Owner: the commands that train. Threads: the parent's only thread.
#pragma once

#include <string>
#include <vector>

#include "host/cli/prepared_run.h"
#include "host/plugins/catalog.h"
#include "host/recipe/recipe.h"

namespace trainhost::cli {

struct AutoBatch {
  recipe::Recipe recipe;  ///< with a batch that is a number
  std::string note;       ///< how it was come by; "": the recipe has a number
};

enum class Search { kWhereNotKnown, kNever };

/// Loads a recipe and finds its batch where that is "auto". Tells the trials on stderr. Throws
/// Error: as Recipe::load; kUser under a foreign launcher and, with kNever, where it is not known;
/// kDevice where not even one row fits, or no device opens. Devices that do not open are added to
/// `failed`, and the search goes on with those that placement then gives.
AutoBatch load_recipe(const std::string& file, std::vector<std::string> overrides,
                      plugins::Catalog& catalog, Search search = Search::kWhereNotKnown,
                      FailedAttempts* failed = nullptr);

}  // namespace trainhost::cli
