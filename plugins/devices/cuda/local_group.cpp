#include "cuda/local_group.h"

#include <algorithm>
#include <chrono>

#include "cuda/patience.h"
#include "trainhost/error.h"

namespace cuda {

using trainhost::Error;
using trainhost::Failure;

LocalGroup::LocalGroup(std::string name, int world, double timeout_seconds,
                       trainhost::AbortSignal abort)
    : name_(std::move(name)),
      timeout_(timeout_seconds),
      abort_(abort),
      shown_(static_cast<std::size_t>(world)),
      here_(static_cast<std::size_t>(world), false) {}

void LocalGroup::meet(int rank, const std::function<void()>& complete) {
  using Clock = std::chrono::steady_clock;
  constexpr std::chrono::milliseconds kLook{50};  // AbortSignal is looked at this often
  const auto deadline = Clock::now() + std::chrono::duration<double>(timeout_);
  const Description& what = of(rank).what;
  std::unique_lock lock(mutex_);
  if (aborted_) fail(rank, what, reason_);
  here_[static_cast<std::size_t>(rank)] = true;
  if (++count_ == world()) {
    // Without the lock: the others look at their watches meanwhile.
    lock.unlock();
    std::exception_ptr thrown;
    try {
      if (complete) complete();
    } catch (...) {
      thrown = std::current_exception();
    }
    lock.lock();
    thrown_ = thrown;
    count_ = 0;
    std::fill(here_.begin(), here_.end(), false);
    ++generation_;
    changed_.notify_all();
    if (thrown) std::rethrow_exception(thrown);
    return;
  }
  const std::uint64_t mine = generation_;
  while (!changed_.wait_for(lock, kLook, [&] { return generation_ != mine || aborted_; })) {
    if (abort_.raised()) fail(rank, what, why_ended(abort_));
    if (Clock::now() > deadline) {
      fail(rank, what, missing() + " within " + seconds_text(timeout_));
    }
  }
  if (generation_ == mine) fail(rank, what, reason_);
  if (thrown_) std::rethrow_exception(thrown_);
}

void LocalGroup::require_agreement(int rank) const {
  for (int other = 0; other < world(); ++other) {
    if (of(rank).what.fits(of(other).what)) continue;
    throw Error(Failure::kRun,
                {.where = "cuda group '" + name_ + "'",
                 .what = "two ranks issued different operations",
                 .expected = of(rank).what.text() + " (rank " + std::to_string(rank) + ")",
                 .got = of(other).what.text() + " (rank " + std::to_string(other) + ")",
                 .fix = "every rank issues the same collectives in the same order"});
  }
}

void LocalGroup::abort(std::string_view reason) noexcept {
  const std::lock_guard lock(mutex_);
  if (aborted_) return;
  aborted_ = true;
  try {
    reason_ = reason;
  } catch (...) {
    reason_.clear();
  }
  changed_.notify_all();
}

void LocalGroup::check(int rank, const Description& what) {
  if (abort_.raised()) fail(rank, what, why_ended(abort_));
  const std::lock_guard lock(mutex_);
  if (aborted_) fail(rank, what, reason_);
}

void LocalGroup::give_up(int rank, const Description& what, const std::function<void()>& then) {
  const std::string why = "all ranks came, but it was not done within " + seconds_text(timeout_) +
                          ": one of their GPUs, or the link between them, hangs";
  abort(why);
  then();
  fail(rank, what, why);
}

void LocalGroup::fail(int rank, const Description& what, const std::string& why) const {
  throw Error(Failure::kRankLost, {.where = "cuda group '" + name_ + "', rank " +
                                            std::to_string(rank) + ", " + what.text(),
                                   .what = "the other ranks cannot be reached",
                                   .got = why});
}

std::string LocalGroup::missing() const {
  std::string out;
  for (std::size_t rank = 0; rank < here_.size(); ++rank) {
    if (!here_[rank]) out += (out.empty() ? "rank " : ", ") + std::to_string(rank);
  }
  return out.empty() ? "the last rank came, but its operation did not start"
                     : out + " did not come";
}

}  // namespace cuda
