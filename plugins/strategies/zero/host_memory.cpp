#include "host_memory.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "trainhost/error.h"
#include "trainhost/flat_layout.h"

namespace zero {
namespace {

using trainhost::Error;
using trainhost::Failure;

constexpr std::int64_t kChunk = std::int64_t{4} << 20;  // bytes

std::string directory_or_default(const std::string& directory) {
  if (!directory.empty()) return directory;
  const char* temporary = std::getenv("TMPDIR");
  return temporary == nullptr || *temporary == '\0' ? "/var/tmp" : temporary;
}

std::string reason(int code) { return std::generic_category().message(code); }

constexpr const char* kElsewhere =
    "name another one with strategy.offload_directory, or set TMPDIR";

/// A file that nobody else can find, and that is gone once it is neither open nor mapped.
class NamelessFile {
 public:
  explicit NamelessFile(const std::string& directory)
      : fd_(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)) {
    // Some file systems cannot do that.
    if (fd_ < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
      std::string path = directory + "/trainhost-offload-XXXXXX";
      fd_ = ::mkostemp(path.data(), O_CLOEXEC);
      if (fd_ >= 0) ::unlink(path.c_str());
    }
    if (fd_ >= 0) return;
    throw Error(Failure::kUser, {.where = "offload directory '" + directory + "'",
                                 .what = "cannot make a file there: " + reason(errno),
                                 .fix = kElsewhere});
  }
  ~NamelessFile() { ::close(fd_); }
  NamelessFile(const NamelessFile&) = delete;
  NamelessFile& operator=(const NamelessFile&) = delete;

  int get() const { return fd_; }

 private:
  int fd_;
};

[[noreturn]] void refuse(std::int64_t bytes, std::int64_t free, int code,
                         const std::string& directory) {
  const auto mebibytes = [](std::int64_t count) {
    return std::to_string((count + (1 << 20) - 1) >> 20) + " MiB";
  };
  throw Error(Failure::kDevice,
              {.where = "offload directory '" + directory + "'",
               .what = "cannot have the disk space for what is offloaded: " + reason(code),
               .expected = mebibytes(bytes) + " more",
               .got = free < 0 ? std::string() : mebibytes(free) + " free",
               .fix = std::string("make room there, ") + kElsewhere});
}

/// Takes the blocks of the disk, for a full disk would else be a SIGBUS at some later store.
void reserve(const NamelessFile& file, std::int64_t bytes, const std::string& directory) {
  struct statvfs disk {};
  std::int64_t free = -1;
  if (::fstatvfs(file.get(), &disk) == 0) {
    free = static_cast<std::int64_t>(disk.f_bavail) * static_cast<std::int64_t>(disk.f_frsize);
    // Looked at first: reserving too much would fill the disk for a moment.
    if (bytes > free) refuse(bytes, free, ENOSPC, directory);
  }
  int code = EINTR;
  while (code == EINTR) code = ::posix_fallocate(file.get(), 0, bytes);
  if (code != 0) refuse(bytes, free, code, directory);
}

at::Tensor map_file(std::int64_t bytes, const std::string& directory) {
  const NamelessFile file(directory);
  reserve(file, bytes, directory);
  const auto size = static_cast<std::size_t>(bytes);
  // Shared, so that the kernel may write the pages out: those of private mappings stay in memory.
  void* const data = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (data == MAP_FAILED) {
    throw Error(Failure::kDevice, {.where = "offload directory '" + directory + "'",
                                   .what = "cannot map a file of " + std::to_string(bytes >> 20) +
                                           " MiB: " + reason(errno),
                                   .fix = "look at `ulimit -v`"});
  }
  return at::from_blob(
      data, {bytes}, [size](void* at) { ::munmap(at, size); }, at::kByte);
}

}  // namespace

HostMemory::HostMemory(at::Device device, const std::string& directory)
    : device_(device), directory_(directory_or_default(directory)) {}

at::Tensor HostMemory::allocate(std::int64_t count, at::ScalarType type) {
  constexpr std::int64_t kAlignment = trainhost::kFlatAlignment;
  const std::int64_t bytes = count * static_cast<std::int64_t>(c10::elementSize(type));
  const std::int64_t padded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  if (padded >= kChunk) return make_chunk(padded).narrow(0, 0, bytes).view(type);
  if (!chunk_.defined() || used_ + padded > kChunk) {
    chunk_ = make_chunk(kChunk);
    used_ = 0;
  }
  return chunk_.narrow(0, std::exchange(used_, used_ + padded), bytes).view(type);
}

at::Tensor HostMemory::make_chunk(std::int64_t bytes) const {
  if (device_.is_cpu()) return map_file(bytes, directory_);
  return at::empty({bytes}, at::TensorOptions(at::kByte).pinned_memory(true));
}

void HostMemory::will_need(const at::Tensor& tensor) const {
  if (!device_.is_cpu() || tensor.numel() == 0) return;
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<std::uintptr_t>(tensor.const_data_ptr());
  const std::uintptr_t first = begin / page * page;
  // Advice: where it is not taken, the first access reads the page.
  ::madvise(reinterpret_cast<void*>(first),  // NOLINT(performance-no-int-to-ptr)
            begin + tensor.nbytes() - first, MADV_WILLNEED);
}

}  // namespace zero
