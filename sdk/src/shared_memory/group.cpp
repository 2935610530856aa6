#include "shared_memory/group.h"

#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>
#include <limits>

#include "shared_memory/machine.h"
#include "trainhost/error.h"

namespace shared_memory {
namespace {

using Clock = std::chrono::steady_clock;
using trainhost::Error;
using trainhost::Failure;

constexpr std::chrono::milliseconds kSlice{50};  // how often a sleeper looks around
// A few pauses cover the way of a cache line between two cores. After that the core is offered to
// whoever else is on it, first of all the peer itself: a futex wakes a sleeper on the waker's core,
// and two ranks that then spin on one core would each wait out the other's time slice.
constexpr int kPauses = 10;
constexpr std::chrono::microseconds kCallerYields{300}, kWorkerYields{20};

bool is_reached(std::uint64_t flag, std::uint32_t ticket) {
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(flag) - ticket) >= 0;
}

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

/// The half of the flag that holds the ticket; futexes have 32 bits.
std::uint32_t* futex_word(std::atomic<std::uint64_t>& flag) {
  static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the low half must come first");
  return reinterpret_cast<std::uint32_t*>(&flag);
}

// Without FUTEX_PRIVATE_FLAG: the waiter may be another process.
void futex_wake(std::atomic<std::uint64_t>& flag) {
  ::syscall(SYS_futex, futex_word(flag), FUTEX_WAKE, std::numeric_limits<int>::max(), nullptr,
            nullptr, 0);
}

void futex_wait(std::atomic<std::uint64_t>& flag, std::uint32_t seen,
                std::chrono::nanoseconds at_most) {
  const timespec time{static_cast<time_t>(at_most.count() / 1'000'000'000),
                      static_cast<long>(at_most.count() % 1'000'000'000)};
  ::syscall(SYS_futex, futex_word(flag), FUTEX_WAIT, seen, &time, nullptr, 0);
}

std::string seconds_text(double seconds) {
  std::string text = std::to_string(seconds);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text + " s";
}

bool has_ended(const Descriptor& process) {
  pollfd entry{process.get(), POLLIN, 0};
  return process.valid() && ::poll(&entry, 1, 0) > 0;
}

}  // namespace

Group::Group(std::string name, std::shared_ptr<Mapping> segment, int rank, int world,
             const Patience& patience)
    : name_(std::move(name)),
      segment_(std::move(segment)),
      control_(segment_->data(), world),
      rank_(rank),
      world_(world),
      patience_(patience) {
  RankSlot& own = slot(rank_);
  own.pid = ::getpid();
  own.cores = allowed_cores();
}

Group::~Group() {
  slot(rank_).left.store(1, std::memory_order_release);
  futex_wake(slot(rank_).flag);
}

void Group::meet() {
  sync();
  cpu_set_t all;
  CPU_ZERO(&all);
  for (int r = 0; r < world_; ++r) CPU_OR(&all, &all, &slot(r).cores);
  set_cores(core_quota(CPU_COUNT(&all)));
}

void Group::begin(const Operation& operation, const Place& input, const Place& output) {
  current_ = &operation;
  ++sequence_;
  if (stopped_.load(std::memory_order_acquire)) look_for_trouble(rank_, 0);
  hash_ = operation.hash();
  Post& post = slot(rank_).posts[sequence_ & 1];
  post.sequence = sequence_;
  post.what = operation.what;
  post.input = input;
  post.output = output;
}

void Group::sync() {
  const auto ticket = static_cast<std::uint32_t>(ticket_);
  RankSlot& own = slot(rank_);
  // Sequentially consistent, as is the sleeper's count: one of the two sees the other.
  own.flag.exchange(static_cast<std::uint64_t>(hash_) << 32 | ticket, std::memory_order_seq_cst);
  if (own.waiters.load(std::memory_order_seq_cst) != 0) futex_wake(own.flag);
  for (int i = 1; i < world_; ++i) wait_for((rank_ + i) % world_, ticket);
  ++ticket_;
}

void Group::wait_for(int peer, std::uint32_t ticket) {
  std::uint64_t flag = slot(peer).flag.load(std::memory_order_acquire);
  if (!is_reached(flag, ticket)) flag = spin(peer, ticket);
  if (!is_reached(flag, ticket)) flag = sleep(peer, ticket);
  // A peer that is ahead has compared the hashes itself.
  const bool same_place = static_cast<std::uint32_t>(flag) == ticket;
  if (same_place && static_cast<std::uint32_t>(flag >> 32) != hash_) fail_mismatch(peer);
}

std::uint64_t Group::spin(int peer, std::uint32_t ticket) const {
  const std::atomic<std::uint64_t>& flag = slot(peer).flag;
  std::uint64_t seen = flag.load(std::memory_order_acquire);
  for (int i = 0; !crowded_ && i < kPauses; ++i) {
    if (is_reached(seen, ticket)) return seen;
    pause();
    seen = flag.load(std::memory_order_acquire);
  }
  const auto end = Clock::now() + (worker_ ? kWorkerYields : kCallerYields);
  while (!is_reached(seen, ticket) && Clock::now() < end) {
    ::sched_yield();
    seen = flag.load(std::memory_order_acquire);
  }
  return seen;
}

std::uint64_t Group::sleep(int peer, std::uint32_t ticket) {
  RankSlot& other = slot(peer);
  const auto deadline =
      Clock::now() + std::chrono::duration_cast<Clock::duration>(
                         std::chrono::duration<double>(patience_.timeout_seconds));
  while (true) {
    look_for_trouble(peer, ticket);
    const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(deadline - Clock::now());
    other.waiters.fetch_add(1, std::memory_order_seq_cst);
    std::uint64_t seen = other.flag.load(std::memory_order_seq_cst);
    if (!is_reached(seen, ticket) && left.count() > 0) {
      futex_wait(other.flag, static_cast<std::uint32_t>(seen),
                 std::min<std::chrono::nanoseconds>(left, kSlice));
    }
    other.waiters.fetch_sub(1, std::memory_order_relaxed);
    seen = other.flag.load(std::memory_order_acquire);
    if (is_reached(seen, ticket)) return seen;
    if (left.count() <= 0) {
      fail(Failure::kRankLost,
           missing(ticket) + " did not come within " + seconds_text(patience_.timeout_seconds), {},
           {}, "look at the log of that rank; it may be slow, stopped, or in another operation");
    }
  }
}

void Group::look_for_trouble(int peer, std::uint32_t ticket) {
  if (patience_.abort.raised()) {
    const int lost = patience_.abort.lost_rank();
    fail(Failure::kRankLost,
         lost < 0 ? "the run was ended" : "rank " + std::to_string(lost) + " was lost");
  }
  if (stopped_.load(std::memory_order_acquire)) {
    std::unique_lock lock(mutex_);
    const std::string reason = stop_reason_;
    lock.unlock();
    fail(Failure::kRankLost, reason);
  }
  const std::uint32_t broken = control_.header().broken_by.load(std::memory_order_acquire);
  if (broken != 0) {
    const int rank = static_cast<int>(broken) - 1;
    fail(Failure::kRankLost,
         "rank " + std::to_string(rank) + " gave up: " + std::string(slot(rank).reason));
  }
  // The last look at the flag comes after the look at the process: it may have come, then ended.
  const bool closed = slot(peer).left.load(std::memory_order_acquire) != 0;
  const bool ended = !peers_.empty() && has_ended(peers_[static_cast<std::size_t>(peer)]);
  if (peer == rank_ || !(closed || ended) || reached(peer, ticket)) return;
  fail(Failure::kRankLost,
       "rank " + std::to_string(peer) +
           (ended ? " was lost (its process has ended)" : " has closed its end of the group"));
}

void Group::fail_mismatch(int peer) {
  const Post& theirs = post(peer);
  std::string mine = current_ == nullptr ? "set-up" : current_->what.full();
  std::string other = theirs.what.full();
  if (mine == other) other += ", with other counts for the ranks";
  fail(Failure::kRun, "the ranks issued different operations",
       "rank " + std::to_string(rank_) + ": " + mine, "rank " + std::to_string(peer) + ": " + other,
       "every rank must issue the same operations in the same order");
}

void Group::fail(Failure failure, const std::string& what, const std::string& expected,
                 const std::string& got, const std::string& fix) {
  const std::string text = current() + ": " + what;
  {
    const std::lock_guard lock(mutex_);
    if (stop_reason_.empty()) stop_reason_ = what;
  }
  stopped_.store(true, std::memory_order_release);
  tell_all(text + (expected.empty() ? "" : " (" + expected + "; " + got + ")"));
  throw Error(failure, {.where = "group '" + name_ + "', rank " + std::to_string(rank_),
                        .what = text,
                        .expected = expected,
                        .got = got,
                        .fix = fix});
}

void Group::abort(std::string_view reason) noexcept {
  try {
    const std::lock_guard lock(mutex_);
    if (stop_reason_.empty()) stop_reason_ = "aborted: " + std::string(reason);
  } catch (...) {
    stop_reason_.clear();  // out of memory: end all the same, without the reason
  }
  stopped_.store(true, std::memory_order_release);
  try {
    tell_all("aborted: " + std::string(reason));
  } catch (...) {
    tell_all({});
  }
}

void Group::tell_all(const std::string& reason) noexcept {
  // Written once by the rank that gives up first; the others read it after they saw its number.
  std::atomic<std::uint32_t>& broken = control_.header().broken_by;
  const std::lock_guard lock(mutex_);
  if (broken.load(std::memory_order_acquire) == 0) {
    RankSlot& own = slot(rank_);
    const std::size_t length = std::min(reason.size(), sizeof(own.reason) - 1);
    std::memcpy(own.reason, reason.data(), length);
    own.reason[length] = 0;
    std::uint32_t nobody = 0;
    broken.compare_exchange_strong(nobody, static_cast<std::uint32_t>(rank_) + 1,
                                   std::memory_order_acq_rel);
  }
  for (int r = 0; r < world_; ++r) futex_wake(slot(r).flag);
}

bool Group::reached(int peer, std::uint32_t ticket) const {
  return is_reached(slot(peer).flag.load(std::memory_order_acquire), ticket);
}

std::string Group::missing(std::uint32_t ticket) const {
  std::string text;
  int count = 0;
  for (int r = 0; r < world_; ++r) {
    if (r == rank_ || reached(r, ticket)) continue;
    text += (count++ == 0 ? "" : ", ") + std::to_string(r);
  }
  return (count == 1 ? "rank " : "ranks ") + text;
}

std::string Group::current() const {
  if (current_ == nullptr) return "set-up of the group";
  return current_->what.brief() + " (operation " + std::to_string(sequence_) + ")";
}

}  // namespace shared_memory
