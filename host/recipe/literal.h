// The small language of override values: `epochs=3`, `dims=[64,32,16]`, `pretrain={epochs=5}`.
//
// Numbers, true, false, nil, quoted or bare text, lists in [] or {}, tables in {} with `key =
// value` or JSON's `"key": value`. A bare text at the top is taken whole, inside a list it ends at
// , ] }. Threads and ranks: pure functions, any thread.
#pragma once

#include <string_view>

#include "trainhost/options.h"

namespace trainhost::recipe {

/// Throws Error (kUser) at `position` on text that starts like a list, table or quotation and is
/// none, and on texts that a recipe cannot hold either.
Value parse_literal(std::string_view text, const SourcePosition& position);

}  // namespace trainhost::recipe
