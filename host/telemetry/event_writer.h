// EventWriter: a rank's end of the pipe to its parent.
//
// Purpose: sends events without holding up training. The pipe is non-blocking: when it is full,
// progress and step events are dropped and counted, all others wait for the parent, at most ten
// seconds. A parent that has gone is no error here: the kernel ends the rank (die_with_parent).
// Owner: the rank program's main; owns and closes the descriptor. Threads and ranks: any thread.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "host/telemetry/event.h"

namespace trainhost::telemetry {

class EventWriter {
 public:
  explicit EventWriter(int fd);
  ~EventWriter();
  EventWriter(const EventWriter&) = delete;
  EventWriter& operator=(const EventWriter&) = delete;

  void send(const Event& event);

  void log(Host::Level level, int rank, std::string_view text) {
    send(Log{level, rank, std::string(text)});
  }
  void progress(std::string_view what, std::int64_t done, std::int64_t total) {
    send(Progress{std::string(what), done, total});
  }
  void stand_in(std::string_view text) { send(StandIn{std::string(text)}); }
  void phase_begin(std::string_view name) { send(Phase{std::string(name), true, 0}); }
  void phase_end(std::string_view name, double seconds) {
    send(Phase{std::string(name), false, seconds});
  }

 private:
  bool write_line(std::string_view line, bool may_drop);

  const int fd_;
  std::mutex mutex_;
  // State below is protected by mutex_.
  std::int64_t dropped_ = 0;
};

}  // namespace trainhost::telemetry
