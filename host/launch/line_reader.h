// LineReader: the lines that come through a pipe, with a bound on what is held.
//
// Purpose: reads what is there without waiting; a line that exceeds the bound is handed on cut, its
// rest dropped, so that garbage costs neither memory nor the lines after it. Owner: the supervisor;
// owns the descriptor. Threads and ranks: one thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "host/launch/descriptor.h"

namespace trainhost::launch {

class LineReader {
 public:
  /// `cut`: the line was longer than the bound.
  using Receiver = std::function<void(std::string_view line, bool cut)>;

  LineReader(Descriptor fd, std::size_t max_line);

  int fd() const { return fd_.get(); }
  bool open() const { return fd_.open(); }

  /// Reads at most about `bytes`, so that one talkative rank does not keep the others waiting;
  /// closes at the end of the pipe. True: there may be more at once.
  bool read_some(const Receiver& receiver, std::size_t bytes = std::size_t{1} << 18);
  /// Reads what is left of a writer that has ended, and closes.
  void drain(const Receiver& receiver);

 private:
  void take(std::string_view bytes, const Receiver& receiver);
  void finish(const Receiver& receiver);

  Descriptor fd_;
  std::size_t max_line_;
  std::string line_;
  bool skipping_ = false;  ///< the rest of a line that was handed on cut
};

}  // namespace trainhost::launch
