#include "zero/gather_order.h"

#include <catch2/catch.hpp>
#include <vector>

using zero::GatherOrder;

namespace {

constexpr int kNone = GatherOrder::kNone;

/// What is foreseen after each unit of a pass.
std::vector<int> pass(GatherOrder& order, const std::vector<int>& units) {
  std::vector<int> foreseen;
  for (const int unit : units) foreseen.push_back(order.gathered(unit));
  order.end();
  return foreseen;
}

}  // namespace

TEST_CASE("the first pass foresees nothing, the second one all of it") {
  GatherOrder order;
  CHECK(pass(order, {0, 1, 2}) == std::vector<int>{kNone, kNone, kNone});
  CHECK(pass(order, {0, 1, 2}) == std::vector<int>{1, 2, kNone});
}

TEST_CASE("a unit that comes twice is foreseen at both places") {
  GatherOrder order;
  pass(order, {0, 1, 2, 3, 0});
  CHECK(pass(order, {0, 1, 2, 3, 0}) == std::vector<int>{1, 2, 3, 0, kNone});
}

TEST_CASE("a unit that is left out costs one wrong guess, and is learnt") {
  GatherOrder order;
  pass(order, {0, 1, 2, 3, 4});
  CHECK(pass(order, {0, 1, 3, 4}) == std::vector<int>{1, 2, kNone, kNone});
  CHECK(pass(order, {0, 1, 3, 4}) == std::vector<int>{1, 3, 4, kNone});
}

TEST_CASE("what was an end the last time is taken for one, and for none after it was not") {
  GatherOrder order;
  pass(order, {0, 1, 2, 0, 1, 2, 0, 1, 2});
  CHECK(pass(order, {0, 1, 2, 0, 1, 2, 0, 1, 2}) ==
        std::vector<int>{1, 2, kNone, 1, 2, 0, 1, 2, 0});
  CHECK(pass(order, {0, 1, 2}) == std::vector<int>{1, 2, kNone});
}
