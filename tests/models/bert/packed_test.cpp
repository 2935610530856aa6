#include "bert/packed.h"

#include <catch2/catch.hpp>

#include "trainhost/error.h"

namespace {

using bert::pack;
using Catch::Contains;

const std::vector<std::int32_t> kFirst{2, 9, 3}, kSecond{2, 3};
const std::vector<std::uint8_t> kTypes{0, 1, 1}, kNoTypes{0, 0};

}  // namespace

TEST_CASE("texts lie one after the other, with positions from 0 and no padding") {
  const bert::Packed packed = pack({kFirst, kSecond}, {70, 5}, {kTypes, kNoTypes});
  CHECK(packed.sequences->offsets == std::vector<std::int64_t>{0, 3, 5});
  CHECK(packed.sequences->keys == std::vector<std::uint64_t>{70, 5});
  CHECK(packed.sequences->longest == 3);
  const auto list = [](const at::Tensor& tensor) {
    const auto* values = tensor.const_data_ptr<std::int64_t>();
    return std::vector<std::int64_t>(values, values + tensor.numel());
  };
  CHECK(list(packed.ids) == std::vector<std::int64_t>{2, 9, 3, 2, 3});
  CHECK(list(packed.positions) == std::vector<std::int64_t>{0, 1, 2, 0, 1});
  CHECK(list(packed.types) == std::vector<std::int64_t>{0, 1, 1, 0, 0});
  CHECK(packed.starts.scalar_type() == at::kInt);
  CHECK(packed.starts.numel() == 3);
}

TEST_CASE("no texts are packed to no tokens") {
  const bert::Packed packed = pack({}, {});
  CHECK(packed.ids.numel() == 0);
  CHECK(packed.sequences->size() == 0);
  CHECK(packed.sequences->tokens() == 0);
  CHECK(packed.starts.numel() == 1);
}

TEST_CASE("what random numbers could not tell apart is refused") {
  CHECK_THROWS_WITH(pack({kFirst}, {1, 2}), Contains("a key for each text"));
  CHECK_THROWS_WITH(pack({kFirst}, {std::uint64_t{1} << 36}), Contains("a key does not fit"));
  CHECK_THROWS_WITH(pack({std::span<const std::int32_t>{}}, {1}), Contains("length"));
  const std::vector<std::int32_t> longest(4096, 5), longer(4097, 5);
  CHECK_NOTHROW(pack({longest}, {1}));
  CHECK_THROWS_WITH(pack({longer}, {1}), Contains("4096"));
  CHECK_THROWS_WITH(pack({kFirst}, {1}, {kNoTypes}), Contains("types"));
}
