// The mistakes of a recipe, collected so that all are reported at once, each at its own place.
//
// Owner: the function that checks. Threads and ranks: the parent only, one thread.
#pragma once

#include <string>
#include <vector>

#include "host/recipe/text.h"
#include "trainhost/options.h"

namespace trainhost::recipe {

/// The file of a position that is an override.
inline constexpr const char* kCommandLine = "command line";

class Problems {
 public:
  /// `text` is one sentence that names the key, what was expected and what was got.
  void add(const SourcePosition& at, std::string text, Failure failure = Failure::kUser);

  bool empty() const { return items_.empty(); }

  /// Does nothing without mistakes; otherwise throws one Error that lists them by line. It is
  /// Failure::kPlugin where nothing but plugins was wrong.
  void throw_if_any(const std::string& file) const;

 private:
  struct Item {
    SourcePosition at;
    std::string text;
    Failure failure;
  };
  std::vector<Item> items_;
};

}  // namespace trainhost::recipe
