#include "host/telemetry/extra_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace trainhost::telemetry {
namespace {

// Between two flushes no more than this waits in memory.
constexpr std::size_t kMostWaiting = std::size_t{64} << 10;

// The number of bytes written; less than `text` has only where `errno` says why.
std::size_t write_most(int fd, std::string_view text) {
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t written = write(fd, text.data() + done, text.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written == 0) errno = ENOSPC;
    if (written <= 0) break;
    done += static_cast<std::size_t>(written);
  }
  return done;
}

}  // namespace

ExtraFile::ExtraFile(std::string path) : path_(std::move(path)) {
  fd_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (fd_ < 0) {
    give_up(std::strerror(errno));
  } else {
    whole_ = lseek(fd_, 0, SEEK_END);
  }
}

ExtraFile::~ExtraFile() {
  flush();
  close_file();
}

ExtraFile::ExtraFile(ExtraFile&& other) noexcept
    : path_(std::move(other.path_)),
      waiting_(std::move(other.waiting_)),
      warning_(std::move(other.warning_)),
      fd_(std::exchange(other.fd_, -1)),
      whole_(other.whole_) {}

ExtraFile& ExtraFile::operator=(ExtraFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(waiting_, other.waiting_);
  std::swap(warning_, other.warning_);
  std::swap(fd_, other.fd_);
  std::swap(whole_, other.whole_);
  return *this;
}

void ExtraFile::add(std::string_view entry) {
  if (fd_ < 0) return;
  waiting_ += entry;
  if (waiting_.size() >= kMostWaiting) flush();
}

void ExtraFile::flush() {
  if (fd_ < 0 || waiting_.empty()) return;
  const std::size_t written = write_most(fd_, waiting_);
  if (written < waiting_.size()) {
    const std::string why = std::strerror(errno);
    // A part of an entry is worse than none; readers stop at it where it cannot be cut off.
    const bool cut = written == 0 || ftruncate(fd_, whole_) == 0;
    return give_up(cut ? why : why + " (its last entry is not whole)");
  }
  whole_ += static_cast<std::int64_t>(written);
  waiting_.clear();
}

void ExtraFile::give_up(const std::string& why) {
  warning_ = path_ + " ends here: " + why + "; training goes on without it";
  waiting_.clear();
  close_file();
}

std::string ExtraFile::take_warning() { return std::exchange(warning_, std::string()); }

void ExtraFile::close_file() {
  if (fd_ >= 0) close(std::exchange(fd_, -1));
}

}  // namespace trainhost::telemetry
