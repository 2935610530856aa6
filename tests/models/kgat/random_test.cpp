#include "trainhost/random.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <set>
#include <vector>

namespace {

using trainhost::Philox;
using trainhost::Random;

TEST_CASE("Philox4x32-10 gives the known answers of its authors") {
  constexpr std::uint32_t kOnes = 0xFFFFFFFFU;
  CHECK(Philox::apply({0, 0, 0, 0}, {0, 0}) ==
        Philox::Counter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(Philox::apply({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}) ==
        Philox::Counter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(Philox::apply({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Philox::Counter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("every part of the key changes the block") {
  const Random random(1, "stream");
  std::set<Random::Block> blocks{random.block(1, 2, 3, 4),
                                 random.block(9, 2, 3, 4),
                                 random.block(1, 9, 3, 4),
                                 random.block(1, 2, 9, 4),
                                 random.block(1, 2, 3, 9),
                                 random.block(1, 2, 3 + (std::uint64_t{1} << 40), 4),
                                 Random(2, "stream").block(1, 2, 3, 4),
                                 Random(1, "other").block(1, 2, 3, 4)};
  CHECK(blocks.size() == 8);
  CHECK(random.block(1, 2, 3, 4) == Random(1, "stream").block(1, 2, 3, 4));
}

TEST_CASE("a cursor walks the blocks of its id") {
  const Random random(5, "stream");
  auto draws = random.at(1, 2, 3);
  for (std::uint32_t draw = 0; draw < 3; ++draw) {
    for (const std::uint32_t word : random.block(1, 2, 3, draw)) CHECK(draws.word() == word);
  }
}

TEST_CASE("bounded draws stay below the bound and are even") {
  auto draws = Random(7, "bounded").at(0, 0, 0);
  CHECK(draws.bounded(0) == 0);
  CHECK(draws.bounded(1) == 0);
  std::vector<int> counts(6, 0);
  for (int i = 0; i < 60000; ++i) ++counts.at(draws.bounded(6));
  for (const int count : counts) CHECK(std::abs(count - 10000) < 500);  // five deviations
  // A bound for which plain multiplication would favour some values two to one.
  constexpr std::uint32_t kBound = 0xC0000000U;
  int low = 0;
  for (int i = 0; i < 30000; ++i) low += draws.bounded(kBound) < kBound / 3 ? 1 : 0;
  CHECK(std::abs(low - 10000) < 500);
}

TEST_CASE("uniform and normal draws have their moments") {
  auto draws = Random(11, "moments").at(0, 0, 0);
  double sum = 0, normal = 0, square = 0;
  constexpr int kCount = 20000;
  for (int i = 0; i < kCount; ++i) {
    const float u = draws.uniform();
    CHECK((u >= 0.0F && u < 1.0F));
    sum += u;
    const double n = draws.normal();
    normal += n;
    square += n * n;
  }
  CHECK(sum / kCount == Approx(0.5).margin(0.01));
  CHECK(normal / kCount == Approx(0.0).margin(0.035));
  CHECK(square / kCount == Approx(1.0).margin(0.05));
}

}  // namespace
