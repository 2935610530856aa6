// The host's own keys, in the form of schema.h.
#pragma once

#include "host/recipe/schema.h"

namespace trainhost::recipe {

/// The keys of a recipe. model, strategy, data and devices are "any": their plugins, or the schema
/// below, say what they hold.
Schema recipe_schema();

/// devices after choices.h: kind, count, indices, fallback.
Schema devices_schema();

}  // namespace trainhost::recipe
