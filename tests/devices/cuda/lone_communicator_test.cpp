// A world of one.
#include "cuda/lone_communicator.h"

#include "ranks.h"
#include "trainhost/error.h"

using Catch::Matchers::Contains;
using namespace ranks_of_test;

TEST_CASE("one rank alone has its own data as the result of everything") {
  Ranks ranks(1, [](int) { return std::make_unique<cuda::LoneCommunicator>("alone", at::kCPU); });
  CHECK(ranks.end(0).sums_in_rank_order());
  CHECK(all_is_right(ranks));
  CHECK(ranks.end(0).allocate(8).equal(at::zeros({8}, at::kByte)));
}

TEST_CASE("one rank alone is checked as several are") {
  cuda::LoneCommunicator end("alone", at::kCPU);
  CHECK_THROWS_WITH(end.broadcast(at::zeros({1}), 1, kTag), Contains("no such root"));
  CHECK_THROWS_WITH(
      end.all_gather(at::zeros({3}), at::zeros({2}), std::vector<std::int64_t>{2}, kTag),
      Contains("expected: 2 elements"));
}
