#include "host/plugins/byte_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "trainhost/error.h"

namespace trainhost::plugins {
namespace {

[[noreturn]] void fail(const std::string& file, std::string what, std::string fix) {
  throw Error(Failure::kPlugin, {.where = file, .what = std::move(what), .fix = std::move(fix)});
}

[[noreturn]] void fail_with_errno(const std::string& file, int code) {
  const std::string reason = std::generic_category().message(code);
  if (code == ENOENT) {
    struct stat link {};
    const bool dangling = lstat(file.c_str(), &link) == 0;
    fail(file, dangling ? "a symbolic link to a file that does not exist" : "no such file",
         dangling ? "make the link point to the plugin, or remove it" : "check the path");
  }
  fail(file, "cannot be read: " + reason,
       code == EACCES ? "give this user the right to read it: chmod a+r " + file : "");
}

void require_regular(const std::string& file, const struct stat& status) {
  if (S_ISREG(status.st_mode)) return;
  if (S_ISDIR(status.st_mode)) {
    fail(file, "a folder, not a file", "name the .so in it; TRAINHOST_PLUGIN_PATH takes folders");
  }
  const char* kind = S_ISFIFO(status.st_mode)   ? "a pipe"
                     : S_ISSOCK(status.st_mode) ? "a socket"
                                                : "a device";
  fail(file, std::string(kind) + ", not a file", "remove it from the folder of plugins");
}

}  // namespace

bool SpanSource::read(std::uint64_t offset, std::span<std::byte> out) const {
  if (offset > bytes_.size() || out.size() > bytes_.size() - offset) return false;
  if (!out.empty()) std::memcpy(out.data(), bytes_.data() + offset, out.size());
  return true;
}

FileSource::FileSource(const std::string& file) {
  struct stat status {};
  if (stat(file.c_str(), &status) != 0) fail_with_errno(file, errno);
  require_regular(file, status);
  // O_NONBLOCK: should the file have become a pipe since, opening it does not wait for a writer.
  descriptor_ = open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (descriptor_ < 0) fail_with_errno(file, errno);
  const bool known = fstat(descriptor_, &status) == 0;
  if (!known || !S_ISREG(status.st_mode)) {
    close(descriptor_);
    fail(file, "changed while it was being opened", "try again");
  }
  size_ = static_cast<std::uint64_t>(status.st_size);
}

FileSource::~FileSource() { close(descriptor_); }

bool FileSource::read(std::uint64_t offset, std::span<std::byte> out) const {
  if (offset > size_ || out.size() > size_ - offset) return false;
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t got =
        pread(descriptor_, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    done += static_cast<std::size_t>(got);
  }
  return true;
}

}  // namespace trainhost::plugins
