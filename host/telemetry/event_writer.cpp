#include "host/telemetry/event_writer.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

namespace trainhost::telemetry {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kPatience = std::chrono::seconds(10);

bool may_be_dropped(const Event& event) {
  return std::holds_alternative<Progress>(event) || std::holds_alternative<Step>(event);
}

// Waits until the pipe takes something again. False: not before the deadline.
bool wait_for_room(int fd, Clock::time_point deadline) {
  while (true) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) return false;
    pollfd entry{fd, POLLOUT, 0};
    const int ready = poll(&entry, 1, static_cast<int>(left.count()));
    if (ready > 0) return (entry.revents & POLLOUT) != 0;
    if (ready < 0 && errno != EINTR) return false;
  }
}

}  // namespace

EventWriter::EventWriter(int fd) : fd_(fd) {
  const int flags = fcntl(fd_, F_GETFL);
  if (flags < 0 || fcntl(fd_, F_SETFL, flags | O_NONBLOCK) < 0) {
    throw Error(Failure::kRun, {.where = "events",
                                .what = "the pipe to the parent is not open",
                                .fix = "start ranks through `trainhost RECIPE`"});
  }
}

EventWriter::~EventWriter() { close(fd_); }

void EventWriter::send(const Event& event) {
  const std::string line = to_line(event) + '\n';
  const std::lock_guard lock(mutex_);
  if (dropped_ > 0 && write_line(to_line(Dropped{dropped_}) + '\n', true)) dropped_ = 0;
  const bool may_drop = may_be_dropped(event);
  if (!write_line(line, may_drop) && may_drop) ++dropped_;
}

// A line of at most PIPE_BUF bytes is written whole or not at all. The rest of a longer one, once
// begun, must follow, or the parent would read two halves as one line.
bool EventWriter::write_line(std::string_view line, bool may_drop) {
  const auto deadline = Clock::now() + kPatience;
  bool begun = false;
  while (!line.empty()) {
    const ssize_t written = write(fd_, line.data(), line.size());
    if (written > 0) {
      begun = true;
      line.remove_prefix(static_cast<std::size_t>(written));
    } else if (written < 0 && errno == EAGAIN) {
      if (may_drop && !begun) return false;
      if (!wait_for_room(fd_, deadline)) return false;
    } else if (written == 0 || errno != EINTR) {
      return false;
    }
  }
  return true;
}

}  // namespace trainhost::telemetry
