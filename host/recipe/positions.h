// The lines of a recipe's keys. Lua forgets where a table's entries were written; this reads the
// source once more and remembers.
//
// Literal tables are followed at every depth, through local variables and assignments such as
// `base.train = { … }`. What a recipe computes has no place of its own: its reader falls back to
// the nearest enclosing key. The source must already have been accepted by Lua.
//
// Threads and ranks: the parent only; a Places is immutable once made.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <string_view>

namespace trainhost::recipe {

struct PlaceTable;

/// Where a value stands, and the places of its entries when it is a known table.
struct Place {
  int line = 0;
  PlaceTable* below = nullptr;
};

/// Entries by key; the i-th positional one (from 1) under "[i]".
struct PlaceTable {
  std::map<std::string, Place, std::less<>> keys;
};

/// Owns the tables that its places point to.
class Places {
 public:
  /// The table that the source returns.
  static Places of(std::string_view source);

  const Place& root() const { return root_; }

  /// The entry of a place; without one of its own, the place itself with nothing below.
  static Place entry(const Place& place, std::string_view key);

 private:
  friend class PlaceParser;
  std::deque<PlaceTable> tables_;  // stable addresses; variables may share tables and form cycles
  Place root_;
};

}  // namespace trainhost::recipe
