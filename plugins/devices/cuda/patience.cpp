#include "cuda/patience.h"

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "trainhost/error.h"

namespace cuda {

using trainhost::Error;
using trainhost::Failure;

double collective_timeout(double train_timeout) {
  const char* text = std::getenv("NCCL_TIMEOUT");
  if (text == nullptr || *text == '\0') return train_timeout;
  char* end = nullptr;
  const double seconds = std::strtod(text, &end);
  constexpr double kMost = 86400;  // as train.timeout
  if (*end == '\0' && seconds > 0 && seconds <= kMost) return seconds;
  throw Error(Failure::kUser, {.where = "environment",
                               .what = "NCCL_TIMEOUT is no time",
                               .expected = "seconds, above 0 and at most 86400",
                               .got = "'" + std::string(text) + "'",
                               .fix = "unset it: train.timeout is the time then"});
}

void wait_until_done(Pending& work, double seconds, const std::function<void()>& look,
                     const std::function<void()>& late) {
  using Clock = std::chrono::steady_clock;
  const auto begin = Clock::now();
  const auto deadline = begin + std::chrono::duration<double>(seconds);
  while (!work.done()) {
    look();
    const auto now = Clock::now();
    if (now > deadline) late();
    // Most operations end within microseconds; a long one must not take a core.
    if (now - begin > std::chrono::microseconds(200)) {
      std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
  }
  look();  // what was aborted ends too
}

std::string why_ended(const trainhost::AbortSignal& abort) {
  const int lost = abort.lost_rank();
  return lost < 0 ? "the run was ended" : "rank " + std::to_string(lost) + " was lost";
}

std::string seconds_text(double seconds) {
  char text[32];
  std::snprintf(text, sizeof(text), "%g s", std::round(seconds * 10) / 10);
  return text;
}

}  // namespace cuda
