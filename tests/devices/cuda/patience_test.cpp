// How long a collective waits.
#include "cuda/patience.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <cstdlib>

#include "trainhost/error.h"

using Catch::Matchers::Contains;
using namespace cuda;

namespace {

class After final : public Pending {
 public:
  explicit After(int looks) : looks_(looks) {}
  bool done() override { return looks_-- == 0; }
  void order() override {}

 private:
  int looks_;
};

}  // namespace

TEST_CASE("NCCL_TIMEOUT, in seconds, wins over train.timeout") {
  ::unsetenv("NCCL_TIMEOUT");
  CHECK(collective_timeout(30) == 30);
  ::setenv("NCCL_TIMEOUT", "", 1);
  CHECK(collective_timeout(30) == 30);
  ::setenv("NCCL_TIMEOUT", "1800", 1);
  CHECK(collective_timeout(30) == 1800);
  ::setenv("NCCL_TIMEOUT", "2.5", 1);
  CHECK(collective_timeout(30) == 2.5);
  for (const char* wrong : {"0", "-1", "soon", "30s", "1e9", "nan"}) {
    ::setenv("NCCL_TIMEOUT", wrong, 1);
    CHECK_THROWS_WITH(collective_timeout(30),
                      Contains("NCCL_TIMEOUT is no time") && Contains(wrong));
  }
  ::unsetenv("NCCL_TIMEOUT");
}

TEST_CASE("a wait ends when the work is done, is late, or is not wanted any more") {
  int looks = 0;
  After soon(3);
  wait_until_done(
      soon, 20, [&] { ++looks; }, [] { throw std::runtime_error("late"); });
  CHECK(looks == 4);  // and once when it is done

  After never(-1);
  CHECK_THROWS_WITH(wait_until_done(
                        never, 0.01, [] {}, [] { throw std::runtime_error("late"); }),
                    "late");

  After aborted(0);  // looks as if it were done
  CHECK_THROWS_WITH(wait_until_done(
                        aborted, 20, [] { throw std::runtime_error("ended"); }, [] {}),
                    "ended");
}

TEST_CASE("seconds and ends in words") {
  CHECK(seconds_text(30) == "30 s");
  CHECK(seconds_text(0.5) == "0.5 s");
  std::atomic<std::uint32_t> word{0};
  trainhost::AbortSignal(word).raise(-1);
  CHECK(why_ended(trainhost::AbortSignal(word)) == "the run was ended");
  word = 0;
  trainhost::AbortSignal(word).raise(3);
  CHECK(why_ended(trainhost::AbortSignal(word)) == "rank 3 was lost");
}
