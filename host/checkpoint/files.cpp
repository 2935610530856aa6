#include "host/checkpoint/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "trainhost/error.h"

namespace trainhost::checkpoint {

std::uint32_t crc32_of(const void* data, std::int64_t bytes) {
  return static_cast<std::uint32_t>(
      crc32_z(0, static_cast<const Bytef*>(data), static_cast<z_size_t>(bytes)));
}

NewFile::NewFile(std::string path)
    : path_(std::move(path)),
      fd_(::open((path_ + ".partial").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)) {
  if (fd_ < 0) fail("create", errno);
}

NewFile::~NewFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!committed_) ::unlink((path_ + ".partial").c_str());
}

void NewFile::write(const void* data, std::size_t bytes) {
  if (bytes == 0) return;  // an empty tensor has no address, which zlib takes for a fresh start
  const char* next = static_cast<const char*>(data);
  std::size_t left = bytes;
  while (left > 0) {
    const ssize_t done = ::write(fd_, next, std::min(left, std::size_t{64} << 20));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) fail("write", errno);
    next += done;
    left -= static_cast<std::size_t>(done);
  }
  crc32_ = static_cast<std::uint32_t>(crc32_z(crc32_, static_cast<const Bytef*>(data), bytes));
  bytes_ += static_cast<std::int64_t>(bytes);
}

void NewFile::commit() {
  if (::fsync(fd_) != 0) fail("write", errno);
  const int closed = ::close(fd_);
  fd_ = -1;
  if (closed != 0) fail("write", errno);
  if (::rename((path_ + ".partial").c_str(), path_.c_str()) != 0) fail("rename", errno);
  committed_ = true;
}

void NewFile::fail(const std::string& doing, int error) const {
  const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  if (fd_ < 0) ::unlink((path_ + ".partial").c_str());
  throw Error(Failure::kRun,
              {.where = path_,
               .what = "cannot " + doing + " the file: " + std::strerror(error),
               .fix = full ? "free some space or choose another folder with --run-dir; what was "
                             "saved before is untouched"
                           : "check that the folder exists and may be written"});
}

void write_text_file(const std::string& path, std::string_view text) {
  NewFile file(path);
  file.write(text.data(), text.size());
  file.commit();
}

std::string read_text_file(const std::string& path, std::int64_t limit) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat status = {};
  if (fd < 0 || ::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size > limit) {
    const std::string reason = fd < 0                     ? std::strerror(errno)
                               : !S_ISREG(status.st_mode) ? "no regular file"
                                                          : "too large";
    if (fd >= 0) ::close(fd);
    throw Error(Failure::kUser, {.where = path, .what = "cannot read the file: " + reason});
  }
  std::string text(static_cast<std::size_t>(status.st_size), '\0');
  std::size_t have = 0;
  while (have < text.size()) {
    const ssize_t got = ::read(fd, text.data() + have, text.size() - have);
    if (got <= 0) break;
    have += static_cast<std::size_t>(got);
  }
  ::close(fd);
  text.resize(have);
  return text;
}

void sync_folder(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

}  // namespace trainhost::checkpoint
