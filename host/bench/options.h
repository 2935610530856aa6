// ScriptOptions: what a script lets its user choose, and what was chosen: `name=value`.
//
// Owner: the script's session. Threads: the program's only thread.
#pragma once

#include <string>
#include <vector>

#include "host/bench/json.h"

namespace trainhost::bench {

class ScriptOptions {
 public:
  /// `words`: "name=value". Throws Error (kUser) for anything else, and for a name given twice.
  explicit ScriptOptions(const std::vector<std::string>& words);

  /// {"name", "default", "help", "type", "choices"}: its value, of the type of the default ("text",
  /// "integer", "number", "boolean", "list"; list: a,b,c). Throws Error (kUser).
  Json declare(const Json& option);

  /// Throws Error (kUser) for a name that no option has, with the nearest.
  void check_all_known() const;

  /// Lines for --help.
  std::string help() const;
  /// {"name": value}.
  const Json& values() const { return values_; }

 private:
  struct Declared {
    std::string name, type, help;
    Json preset, choices;
  };
  std::vector<std::pair<std::string, std::string>> given_;
  std::vector<Declared> declared_;
  Json values_ = Json::object();
};

}  // namespace trainhost::bench
