#include "zero/slots.h"

#include <catch2/catch.hpp>
#include <vector>

using zero::choose_slot;
using zero::SlotChoice;

namespace {

SlotChoice choose(const std::vector<std::int64_t>& free, std::int64_t bytes) {
  return choose_slot(free, bytes);
}

}  // namespace

TEST_CASE("the smallest slot that fits is taken") {
  const SlotChoice choice = choose({20, 12, 10, 16}, 11);
  CHECK(choice.index == 1);
  CHECK(choice.fits);
}

TEST_CASE("without one that fits, the largest of about this size makes way") {
  const SlotChoice choice = choose({6, 9, 8, 30}, 10);
  CHECK(choice.index == 1);
  CHECK_FALSE(choice.fits);
}

TEST_CASE("units of another size have other slots") {
  CHECK(choose({21, 4, 1000}, 10).index == -1);
  CHECK(choose({}, 10).index == -1);
  CHECK(choose({20}, 10).fits);
  CHECK(choose({5}, 10).index == 0);
}
