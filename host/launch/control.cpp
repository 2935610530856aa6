#include "host/launch/control.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include "trainhost/error.h"

namespace trainhost::launch {
namespace {

constexpr std::uint64_t kMagic = 0x324c5254434e4f43;  // "CONCTRL2": changes with the layout

[[noreturn]] void fail(const std::string& what, int code) {
  throw Error(Failure::kDevice, {.where = "control page",
                                 .what = what + ": " + std::strerror(code),
                                 .fix = "free memory or file descriptors of this machine"});
}

}  // namespace

struct Control::Page {
  std::uint64_t magic;
  std::uint64_t local_ranks;
  std::atomic<std::uint32_t> abort;
  std::atomic<std::uint32_t> stop;
  std::array<std::uint64_t, 13> unused;  // the slots start on a cache line of their own

  Slot* slots() { return reinterpret_cast<Slot*>(this + 1); }
  static std::size_t bytes(std::uint64_t ranks) { return sizeof(Page) + ranks * sizeof(Slot); }
};

Control Control::create(int local_ranks) {
  static_assert(sizeof(Page) % 64 == 0 && sizeof(Slot) % 64 == 0 &&
                std::atomic<std::uint64_t>::is_always_lock_free);
  if (local_ranks < 1 || local_ranks > kMaxLocalRanks) {
    throw Error(Failure::kUser, {.where = "devices",
                                 .what = "this many ranks on one machine are not supported",
                                 .expected = "1 to " + std::to_string(kMaxLocalRanks),
                                 .got = std::to_string(local_ranks)});
  }
  const std::size_t bytes = Page::bytes(static_cast<std::uint64_t>(local_ranks));
  const int fd = memfd_create("trainhost-control", MFD_CLOEXEC);
  if (fd < 0) fail("memfd_create", errno);
  if (const int code = posix_fallocate(fd, 0, static_cast<off_t>(bytes)); code != 0) {
    close(fd);
    fail("posix_fallocate", code);
  }
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) {
    const int code = errno;
    close(fd);
    fail("mmap", code);
  }
  Page* page = new (memory) Page{};  // placed in the mapping; the slots are zero already
  page->local_ranks = static_cast<std::uint64_t>(local_ranks);
  page->magic = kMagic;
  return Control(fd, page, bytes);
}

Control Control::attach(int fd) {
  const auto refuse = [](const std::string& what) {
    throw Error(Failure::kRun,
                {.where = "control page",
                 .what = what,
                 .fix = "use bin/trainhost and libexec/trainhost-rank of one build"});
  };
  struct stat status {};
  if (fstat(fd, &status) != 0) refuse("the inherited descriptor is not open");
  const auto bytes = static_cast<std::size_t>(status.st_size);
  if (!S_ISREG(status.st_mode) || bytes < sizeof(Page)) refuse("this is no control page");
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) refuse(std::string("mmap: ") + std::strerror(errno));
  Page* page = static_cast<Page*>(memory);
  const std::uint64_t ranks = page->local_ranks;
  if (page->magic != kMagic || ranks < 1 || ranks > kMaxLocalRanks || bytes < Page::bytes(ranks)) {
    munmap(memory, bytes);
    refuse("the control page is of another version");
  }
  close(fd);
  return Control(-1, page, bytes);
}

Control::Control(Control&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      page_(std::exchange(other.page_, nullptr)),
      bytes_(other.bytes_) {}

Control::~Control() {
  if (page_ != nullptr) munmap(page_, bytes_);
  if (fd_ >= 0) close(fd_);
}

int Control::local_ranks() const { return static_cast<int>(page_->local_ranks); }

AbortSignal Control::abort_signal() const { return AbortSignal(page_->abort); }

int Control::stop_signal() const {
  return static_cast<int>(page_->stop.load(std::memory_order_acquire));
}

void Control::ask_to_stop(int signal) const {
  page_->stop.store(static_cast<std::uint32_t>(signal), std::memory_order_release);
}

Control::Slot& Control::slot(int local_rank) const {
  if (local_rank < 0 || local_rank >= local_ranks()) {
    throw Error(Failure::kRun, {.where = "control page",
                                .what = "no such local rank",
                                .expected = "0 to " + std::to_string(local_ranks() - 1),
                                .got = std::to_string(local_rank)});
  }
  return page_->slots()[local_rank];
}

void Control::beat(int local_rank) const {
  slot(local_rank).heartbeat.fetch_add(1, std::memory_order_relaxed);
}

std::uint64_t Control::heartbeat(int local_rank) const {
  return slot(local_rank).heartbeat.load(std::memory_order_relaxed);
}

// Two buffers with one writer, which fills the one that is not being read: so the last whole text
// is there even where the writer is killed half-way. The fences are those of a sequence lock (Boehm
// 2012, "Can Seqlocks Get Along With Programming Language Memory Models?", figure 6).
void Control::doing(int local_rank, std::string_view text) const {
  Slot& mine = slot(local_rank);
  std::array<char, kDoingBytes> bytes{};
  std::memcpy(bytes.data(), text.data(), std::min(text.size(), kDoingBytes - 1));
  const std::uint64_t number = mine.texts.load(std::memory_order_relaxed) + 1;
  std::atomic_thread_fence(std::memory_order_release);
  Text& words = mine.text[number % 2];
  for (std::size_t i = 0; i < words.size(); ++i) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + 8 * i, 8);
    words[i].store(word, std::memory_order_relaxed);
  }
  mine.texts.store(number, std::memory_order_release);
  mine.heartbeat.fetch_add(1, std::memory_order_relaxed);
}

std::string Control::doing(int local_rank) const {
  constexpr int kAttempts = 100000;
  const Slot& theirs = slot(local_rank);
  std::array<char, kDoingBytes> bytes{};
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const std::uint64_t number = theirs.texts.load(std::memory_order_acquire);
    const Text& words = theirs.text[number % 2];
    for (std::size_t i = 0; i < words.size(); ++i) {
      const std::uint64_t word = words[i].load(std::memory_order_relaxed);
      std::memcpy(bytes.data() + 8 * i, &word, 8);
    }
    std::atomic_thread_fence(std::memory_order_acquire);
    if (number == theirs.texts.load(std::memory_order_relaxed)) break;
  }
  bytes.back() = '\0';
  return std::string(bytes.data());
}

}  // namespace trainhost::launch
