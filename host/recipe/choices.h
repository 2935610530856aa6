// The several ways to write one thing, brought to one form: before overrides and checking, model,
// strategy, optimizer and devices become tables, with what stands first under "[1]".
//
//   "ddp"  { "ddp" }  { "ddp", bucket_mb = 1 }         → { "[1]" = "ddp", bucket_mb = 1 }
//   "auto"  -1  2  {0, 2, 3}  { "cuda", count = 4 }    → { "[1]" = kind, count, indices, fallback }
//
// Threads and ranks: pure functions, any thread.
#pragma once

#include <string>

#include "host/recipe/problems.h"
#include "trainhost/options.h"

namespace trainhost::recipe {

/// The key of the positional value that names a choice.
inline constexpr const char* kChoice = "[1]";

/// A text or list becomes a table; anything else stays for the check to refuse.
void normalize_choice(Value& value);

/// The same for devices, whose numbers and lists of numbers mean a count and indices.
void normalize_devices(Value& value);

/// The entry of a table, made when it is missing. `value` must be a Table.
Value& entry(Value& value, const std::string& key);

/// Removes an entry; does nothing without one.
void remove_entry(Value& value, const std::string& key);

/// The text of an entry, "" where there is none.
std::string entry_text(const Value& value, const std::string& key);

/// Names that users bring from elsewhere: {"deepspeed_stage_2_offload"} → {"zero2",
/// offload_optimizer = true}; {"deepspeed", config = { stage = 2 }}, "fsdp", "ddp_spawn".
void resolve_strategy_alias(Value& strategy, Problems& problems);

/// The id that a strategy's name stands for: "fsdp" → "zero3"; other names stay.
std::string strategy_id(const std::string& name);

}  // namespace trainhost::recipe
