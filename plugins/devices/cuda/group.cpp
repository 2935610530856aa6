#include "cuda/group.h"

#include <c10/core/DeviceGuard.h>

#include <utility>

#include "cuda/patience.h"
#include "trainhost/error.h"

namespace cuda {
namespace {

using trainhost::Error;
using trainhost::Failure;

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

Group::Group(GroupPlace place, const trainhost::OpenOptions& options, std::unique_ptr<Wire> wire,
             std::unique_ptr<ProgressBoard> board)
    : place_(std::move(place)),
      timeout_(options.timeout_seconds),
      abort_(options.abort),
      wire_(std::move(wire)),
      board_(std::move(board)),
      watch_(options.abort, [this] { abort(why_ended(abort_)); }) {}

Group::~Group() {
  watch_.stop();
  try {
    if (!aborted()) wire_->close();
  } catch (const std::exception&) {
    // Another rank may have ended before: then there is nothing left to close in good order.
  }
}

Operation Group::issue(std::string what, const std::function<Issued(Wire&)>& function) {
  const std::lock_guard lock(issue_mutex_);
  if (aborted()) fail(what, reason());
  const c10::DeviceGuard guard(place_.device);
  try {
    const std::uint64_t number = board_ == nullptr ? 0 : board_->note(what);
    Issued issued = function(*wire_);
    return {std::move(issued), number, std::move(what)};
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    fail(what, first_line(error.what()));
  }
}

void Group::wait(const Operation& operation) {
  const auto look = [&] {
    if (aborted()) fail(operation.what, reason());
    if (abort_.raised()) fail(operation.what, why_ended(abort_));
  };
  const c10::DeviceGuard guard(place_.device);
  try {
    wait_until_done(*operation.issued, timeout_, look, [&] { give_up(operation); });
    operation.issued->order();
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    fail(operation.what, first_line(error.what()));
  }
}

void Group::abort(std::string_view reason) noexcept {
  try {
    {
      const std::lock_guard lock(reason_mutex_);
      if (aborted()) return;
      reason_ = reason;
      aborted_ = true;
    }
    wire_->abort();
  } catch (const std::exception&) {
    // The flag is set, so nobody waits on: that is all an abort promises.
  }
}

std::string Group::reason() {
  const std::lock_guard lock(reason_mutex_);
  return reason_;
}

void Group::give_up(const Operation& operation) {
  std::string why = "not done within " + seconds_text(timeout_);
  if (board_ != nullptr) {
    why += ": " + who_is_missing(board_->ask(), place_.rank, operation.number, operation.what);
  }
  std::string fix =
      "the report of a rank that was lost, or hangs, says more; raise train.timeout, or "
      "NCCL_TIMEOUT, if ranks differ that much";
  const std::string record = wire_->write_record();
  if (!record.empty()) fix += "; the flight recorder's trace is " + record;
  abort(why);
  fail(operation.what, why, fix);
}

void Group::fail(const std::string& what, const std::string& why, const std::string& fix) const {
  throw Error(Failure::kRankLost,
              {.where = "cuda group '" + place_.name + "', rank " + std::to_string(place_.rank) +
                        " of " + std::to_string(place_.world) + ", " + what,
               .what = "the collective did not come to its end",
               .got = why,
               .fix = fix});
}

}  // namespace cuda
