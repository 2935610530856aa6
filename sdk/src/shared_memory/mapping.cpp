#include "shared_memory/mapping.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "shared_memory/memory.h"
#include "trainhost/error.h"

namespace shared_memory {
namespace {

using trainhost::Error;
using trainhost::Failure;

std::string reason(int code) { return std::generic_category().message(code); }

[[noreturn]] void refuse(const std::string& what, int code, const std::string& fix) {
  throw Error(Failure::kDevice,
              {.where = "shared memory", .what = what + ": " + reason(code), .fix = fix});
}

std::string megabytes(std::int64_t bytes) {
  return std::to_string((bytes + (1 << 20) - 1) >> 20) + " MiB";
}

// A fallocate beyond the limit of a control group ends in its OOM killer, so look first.
void refuse_if_short(std::size_t bytes) {
  const MachineMemory machine = machine_memory();
  const auto wanted = static_cast<std::int64_t>(bytes);
  if (machine.free < 0 || wanted <= machine.free) return;
  throw Error(Failure::kDevice, {.where = "shared memory",
                                 .what = "not enough memory for a shared buffer",
                                 .expected = megabytes(wanted),
                                 .got = megabytes(machine.free) + " free",
                                 .fix = "use fewer ranks, a smaller batch or a smaller model"});
}

}  // namespace

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = other.release();
  }
  return *this;
}

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

int Descriptor::release() noexcept { return std::exchange(fd_, -1); }

Mapping::~Mapping() { ::munmap(data_, bytes_); }

std::shared_ptr<Mapping> Mapping::of_file(const Descriptor& file, std::size_t bytes) {
  void* data =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file.get(), 0);
  if (data == MAP_FAILED) {
    refuse("cannot map " + megabytes(static_cast<std::int64_t>(bytes)) + " of shared memory", errno,
           "look at `ulimit -v` and the memory limit of the container");
  }
  return std::make_shared<Mapping>(static_cast<std::byte*>(data), bytes);
}

std::shared_ptr<Mapping> Mapping::anonymous(std::size_t bytes) {
  refuse_if_short(bytes);
  void* data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (data == MAP_FAILED) {
    refuse("cannot have " + megabytes(static_cast<std::int64_t>(bytes)) + " of memory", errno,
           "look at `ulimit -v` and the memory limit of the container");
  }
  return std::make_shared<Mapping>(static_cast<std::byte*>(data), bytes);
}

Descriptor make_memory_file(std::size_t bytes) {
  refuse_if_short(bytes);
  Descriptor file(::memfd_create("trainhost", MFD_CLOEXEC));
  if (!file.valid()) refuse("memfd_create failed", errno, "look at `ulimit -n`");
  int code = EINTR;
  while (code == EINTR) code = ::posix_fallocate(file.get(), 0, static_cast<off_t>(bytes));
  if (code != 0) {
    refuse("cannot have " + megabytes(static_cast<std::int64_t>(bytes)) + " of shared memory", code,
           "use fewer ranks, a smaller batch or a smaller model");
  }
  return file;
}

Descriptor open_file_of(pid_t pid, int fd) {
  const std::string path = "/proc/" + std::to_string(pid) + "/fd/" + std::to_string(fd);
  Descriptor file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!file.valid()) {
    refuse("cannot open the shared memory of another rank (" + path + ")", errno,
           "run all ranks as one user, in one container");
  }
  return file;
}

}  // namespace shared_memory
