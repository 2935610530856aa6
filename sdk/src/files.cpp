#include "trainhost/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <vector>

#include "trainhost/crc32.h"
#include "trainhost/error.h"

namespace trainhost {
namespace {

namespace fs = std::filesystem;

// Small enough to be in the processor's cache still when it is written after its CRC was taken.
constexpr std::size_t kChunk = std::size_t{1} << 18;
// So much is handed to the disk at once, which works while the next is written.
constexpr std::int64_t kForTheDisk = std::int64_t{8} << 20;
constexpr std::size_t kReadBuffer = std::size_t{1} << 18;

std::string partial_name(const std::string& path) { return path + ".partial"; }
std::string replaced_name(const std::string& path) { return path + ".replaced"; }

std::string megabytes(double bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f MB", bytes / 1e6);
  return text;
}

std::string free_space(const std::string& path) {
  struct statvfs disk = {};
  if (::statvfs(fs::path(path).parent_path().c_str(), &disk) != 0) return "";
  return megabytes(static_cast<double>(disk.f_bavail) * static_cast<double>(disk.f_frsize)) +
         " free on that file system";
}

std::string fix_for(int error) {
  if (error == ENOSPC || error == EDQUOT) {
    return "free some space or choose another folder with --run-dir; what was saved before is "
           "untouched";
  }
  if (error == EFBIG) {
    return "raise the limit on the size of files (ulimit -f); what was saved before is untouched";
  }
  return "check that the folder exists and may be written";
}

[[noreturn]] void fail_at(const std::string& path, const std::string& what, int error) {
  throw Error(Failure::kRun, {.where = path,
                              .what = what + ": " + std::strerror(error),
                              .expected = "",
                              .got = error == ENOSPC || error == EDQUOT ? free_space(path) : "",
                              .fix = fix_for(error)});
}

bool exists(const std::string& path) {
  struct stat status = {};
  return ::lstat(path.c_str(), &status) == 0;
}

}  // namespace

NewFile::NewFile(std::string path, std::int64_t expected_bytes)
    : path_(std::move(path)),
      expected_bytes_(expected_bytes),
      fd_(::open(partial_name(path_).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)) {
  if (fd_ < 0) fail("create", errno);
}

NewFile::~NewFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!committed_) ::unlink(partial_name(path_).c_str());
}

void NewFile::write(const void* data, std::size_t bytes) {
  for (std::size_t at = 0; at < bytes; at += kChunk) {
    const char* const chunk = static_cast<const char*>(data) + at;
    const std::size_t size = std::min(kChunk, bytes - at);
    crc32_ = crc32_of(chunk, static_cast<std::int64_t>(size), crc32_);
    write_chunk(chunk, size);
  }
}

void NewFile::write_chunk(const char* data, std::size_t bytes) {
  while (bytes > 0) {
    const ssize_t done = ::write(fd_, data, bytes);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) fail("write", errno);
    data += done;
    bytes -= static_cast<std::size_t>(done);
    bytes_ += done;
  }
  // Only a hint; errors of the disk come with fsync.
  if (bytes_ - handed_over_ >= kForTheDisk) {
    ::sync_file_range(fd_, handed_over_, bytes_ - handed_over_, SYNC_FILE_RANGE_WRITE);
    handed_over_ = bytes_;
  }
}

void NewFile::commit(Durability durability) {
  if (durability == Durability::kDurable && ::fsync(fd_) != 0) fail("write", errno);
  const int closed = ::close(fd_);
  fd_ = -1;
  if (closed != 0) fail("write", errno);
  if (::rename(partial_name(path_).c_str(), path_.c_str()) != 0) fail("rename", errno);
  committed_ = true;
}

void NewFile::fail(const std::string& doing, int error) const {
  const bool full = error == ENOSPC || error == EDQUOT;
  // Asked before what was written goes: that is what the disk had.
  const std::string left = full ? free_space(path_) : "";
  if (fd_ < 0) ::unlink(partial_name(path_).c_str());
  const bool known = (full || error == EFBIG) && expected_bytes_ > 0;
  const auto megabytes_of = [](std::int64_t bytes) {
    return megabytes(static_cast<double>(bytes));
  };
  throw Error(Failure::kRun, {.where = path_,
                              .what = "cannot " + doing + " the file: " + std::strerror(error),
                              .expected = known ? "room for " + megabytes_of(expected_bytes_) : "",
                              .got = (known ? megabytes_of(bytes_) + " were written" : "") +
                                     (left.empty() ? "" : (known ? ", " : "") + left),
                              .fix = fix_for(error)});
}

void write_text_file(const std::string& path, std::string_view text,
                     NewFile::Durability durability) {
  NewFile file(path, static_cast<std::int64_t>(text.size()));
  file.write(text.data(), text.size());
  file.commit(durability);
}

std::string read_text_file(const std::string& path, std::int64_t limit) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat status = {};
  if (fd < 0 || ::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size > limit) {
    const std::string reason = fd < 0                     ? std::strerror(errno)
                               : !S_ISREG(status.st_mode) ? "no regular file"
                                                          : "a larger one";
    if (fd >= 0) ::close(fd);
    throw Error(Failure::kUser,
                {.where = path,
                 .what = "cannot read the file",
                 .expected = "a file of at most " + std::to_string(limit) + " bytes",
                 .got = reason,
                 .fix = "check the name and that it may be read"});
  }
  std::string text(static_cast<std::size_t>(status.st_size), '\0');
  std::size_t have = 0;
  while (have < text.size()) {
    const ssize_t got = ::read(fd, text.data() + have, text.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    have += static_cast<std::size_t>(got);
  }
  ::close(fd);
  text.resize(have);
  return text;
}

std::uint32_t crc32_of_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  std::uint32_t crc = 0;
  ssize_t got = fd < 0 ? -1 : 0;
  std::vector<char> buffer(kReadBuffer);
  while (fd >= 0) {
    got = ::read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    crc = crc32_of(buffer.data(), got, crc);
  }
  const int error = errno;
  if (fd >= 0) ::close(fd);
  if (got < 0) {
    throw Error(
        Failure::kUser,
        {.where = path, .what = std::string("cannot read the file: ") + std::strerror(error)});
  }
  return crc;
}

void make_folder(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) fail_at(path, "cannot make the folder", error.value());
}

void make_empty_folder(const std::string& path) {
  remove_tree(path);
  make_folder(path);
}

void remove_tree(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) fail_at(path, "cannot remove", error.value());
}

void remove_tree_quietly(const std::string& path) noexcept {
  std::error_code ignored;
  fs::remove_all(path, ignored);
}

void sync_folder(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) fail_at(path, "cannot open the folder", errno);
  const int error = ::fsync(fd) == 0 ? 0 : errno;
  ::close(fd);
  // Some network file systems know no fsync of folders; their renames are durable by themselves.
  if (error != 0 && error != EINVAL && error != ENOTSUP) {
    fail_at(path, "cannot write the folder", error);
  }
}

void rename_path(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) fail_at(from, "cannot rename it to " + to, errno);
}

void put_in_place(const std::string& partial, const std::string& target) {
  sync_folder(partial);
  if (!exists(target)) {
    rename_path(partial, target);
  } else if (::renameat2(AT_FDCWD, partial.c_str(), AT_FDCWD, target.c_str(), RENAME_EXCHANGE) !=
             0) {
    if (errno != EINVAL && errno != ENOSYS && errno != ENOTSUP) {
      fail_at(partial, "cannot exchange it with " + target, errno);
    }
    rename_path(target, replaced_name(target));
    rename_path(partial, target);
    rename_path(replaced_name(target), partial);
  }
  sync_folder(fs::path(target).parent_path().string());
}

void recover_replaced(const std::string& target) {
  const std::string replaced = replaced_name(target);
  if (!exists(replaced)) return;
  if (exists(target)) {
    remove_tree(replaced);
  } else {
    rename_path(replaced, target);
  }
}

}  // namespace trainhost
