#include "host/launch/line_reader.h"

#include <fcntl.h>

#include <array>
#include <cerrno>

namespace trainhost::launch {

LineReader::LineReader(Descriptor fd, std::size_t max_line)
    : fd_(std::move(fd)), max_line_(max_line) {
  fcntl(fd_.get(), F_SETFL, fcntl(fd_.get(), F_GETFL) | O_NONBLOCK);
}

bool LineReader::read_some(const Receiver& receiver, std::size_t bytes) {
  std::array<char, 16384> chunk;
  std::size_t taken = 0;
  while (open() && taken < bytes) {
    const ssize_t got = read(fd_.get(), chunk.data(), chunk.size());
    if (got > 0) {
      taken += static_cast<std::size_t>(got);
      take({chunk.data(), static_cast<std::size_t>(got)}, receiver);
    } else if (got < 0 && errno == EINTR) {
      continue;
    } else if (got < 0 && errno == EAGAIN) {
      return false;
    } else {
      finish(receiver);
    }
  }
  return open();
}

// A grandchild may hold the pipe open for ever: so at most a few full pipes, and no waiting.
void LineReader::drain(const Receiver& receiver) {
  read_some(receiver, std::size_t{8} << 20);
  if (open()) finish(receiver);
}

void LineReader::take(std::string_view bytes, const Receiver& receiver) {
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    const std::string_view part = bytes.substr(0, end);
    if (!skipping_) {
      const std::size_t room = max_line_ - line_.size();
      line_.append(part.substr(0, room));
      if (part.size() > room) {
        receiver(line_, true);
        line_.clear();
        skipping_ = true;
      }
    }
    if (end == std::string_view::npos) return;
    if (!skipping_) receiver(line_, false);
    line_.clear();
    skipping_ = false;
    bytes.remove_prefix(end + 1);
  }
}

void LineReader::finish(const Receiver& receiver) {
  if (!line_.empty()) receiver(line_, false);
  line_.clear();
  fd_.reset();
}

}  // namespace trainhost::launch
