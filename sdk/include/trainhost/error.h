// The one exception of trainhost: where, what, expected and got, and how to fix it.
//
// Threads and ranks: an Error may be thrown by any plugin function on any rank and thread. The host
// catches it, adds the plugin's id and the rank, stops the other ranks and reports it once.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

#include "trainhost/export.h"

namespace trainhost {

/// What kind of mishap an Error reports. The values are the exit codes of `trainhost`.
enum class Failure : int {
  kRun = 1,       ///< the run itself failed
  kUser = 2,      ///< command line, recipe or data are wrong
  kPlugin = 3,    ///< a plugin was refused, or does not conform
  kDevice = 4,    ///< a device or LibTorch cannot be had, or memory ran out
  kRankLost = 5,  ///< a rank was killed, threw, or stopped answering
};

/// Purpose: one readable report. `where` is a place the reader can open ("train.txt:17",
/// "recipe.lua:4", "plugin 'kgat'"), `what` is the sentence, `expected`/`got` the two sides of a
/// mismatch (both may be empty), `fix` what to do about it (may be empty).
class TRAINHOST_API Error : public std::runtime_error {
 public:
  struct Text {
    std::string where{}, what{}, expected{}, got{}, fix{};
  };

  Error(Failure failure, Text text)
      : std::runtime_error(render(text)), failure_(failure), text_(std::move(text)) {}

  Failure failure() const noexcept { return failure_; }
  const Text& text() const noexcept { return text_; }

 private:
  static std::string render(const Text& text) {
    std::string out = text.where.empty() ? text.what : text.where + ": " + text.what;
    if (!text.expected.empty()) out += "\n  expected: " + text.expected;
    if (!text.got.empty()) out += "\n  got:      " + text.got;
    if (!text.fix.empty()) out += "\n  fix:      " + text.fix;
    return out;
  }

  Failure failure_;
  Text text_;
};

}  // namespace trainhost
