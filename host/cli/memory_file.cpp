#include "host/cli/memory_file.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "trainhost/error.h"

namespace trainhost::cli {

MemoryFile::MemoryFile(const char* name, std::string_view text)
    : file_(memfd_create(name, MFD_CLOEXEC)) {
  while (file_.open() && !text.empty()) {
    const ssize_t written = write(file_.get(), text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) break;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  if (!file_.open() || !text.empty()) {
    throw Error(Failure::kRun, {.where = "launch",
                                .what = std::string("cannot hand '") + name +
                                        "' to the ranks: " + std::strerror(errno)});
  }
  path_ = "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(file_.get());
}

}  // namespace trainhost::cli
