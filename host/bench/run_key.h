// What makes a run the same run as an earlier one.
//
// Threads: the program's only thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace trainhost::bench {

/// All that the result of a run depends on, as a text; equal texts mean the same run.
struct RunIdentity {
  std::string program;  ///< see program_identity
  std::string recipe;   ///< its content
  std::vector<std::string> words;
  std::int64_t repeat = 1;
  bool warmup = false;

  std::string text() const;
};

/// 16 hexadecimal digits.
std::string key_of(const std::string& identity);

/// The version, and size and time of the programs and of the plugins that are found: what was built
/// anew is another program. `plugins`: files and folders.
std::string program_identity(const std::vector<std::string>& programs,
                             const std::vector<std::string>& plugins);

}  // namespace trainhost::bench
