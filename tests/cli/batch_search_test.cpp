// The search for the largest batch, on made-up devices.
#include "host/cli/batch_search.h"

#include <catch2/catch.hpp>
#include <vector>

namespace {

using trainhost::cli::BatchTrial;
using trainhost::cli::FoundBatch;
using trainhost::cli::search_batch;

/// A device with `bound` bytes for a batch, on which a trial above `all` bytes runs out of memory.
struct Device {
  std::int64_t base, per_row, bound, all;
  std::int64_t rows = 0;
  std::vector<std::int64_t> tried{};

  FoundBatch search(std::int64_t most = 1 << 24) {
    return search_batch(most, [this](std::int64_t batch) -> std::optional<BatchTrial> {
      tried.push_back(batch);
      const std::int64_t bytes = base + per_row * batch;
      if (bytes > all) return std::nullopt;
      return BatchTrial{bytes, bound, rows};
    });
  }
};

}  // namespace

TEST_CASE("the batch found is near the largest that fits, after few trials") {
  for (const std::int64_t largest : {1, 2, 3, 7, 16, 17, 100, 161, 1000, 4097, 100000}) {
    for (const std::int64_t base : {0, 1000, 100000}) {
      for (const bool dies : {false, true}) {
        CAPTURE(largest, base, dies);
        const std::int64_t bound = base + 1000 * largest + 500;
        Device device{base, 1000, bound, dies ? bound : bound * 100};
        const FoundBatch found = device.search();
        CHECK(found.batch <= largest);
        const bool nearly = found.bytes * 100 >= bound * 97;
        CHECK((nearly || found.batch >= largest - std::max<std::int64_t>(1, largest / 32)));
        CHECK(found.bytes == base + 1000 * found.batch);
        CHECK(found.trials == static_cast<int>(device.tried.size()));
        CHECK(found.trials <= 16);
      }
    }
  }
}

TEST_CASE("no batch fits where one row does not") {
  Device device{1000, 1000, 1500, 1800};
  CHECK(device.search().batch == 0);
  CHECK(device.tried.back() == 1);
}

TEST_CASE("the search ends where the data does") {
  Device device{0, 1, 1 << 30, 1 << 30, 100};
  const FoundBatch found = device.search();
  CHECK(found.batch == 100);
  CHECK(Device{0, 1, 1 << 30, 1 << 30, 5}.search().batch == 16);  // the first trial
}

TEST_CASE("a batch that must not be exceeded is not") {
  Device device{0, 1, 1 << 30, 1 << 30};
  CHECK(device.search(50).batch == 50);
  CHECK(device.search(1).batch == 1);
}

TEST_CASE("memory that does not grow by a line is searched all the same") {
  // In pages of 64 rows, and more than a line for large batches.
  const auto bytes = [](std::int64_t batch) {
    return (batch + 63) / 64 * 64 * 1000 + batch * batch;
  };
  const std::int64_t bound = 5000000;
  std::int64_t largest = 1;
  while (bytes(largest + 1) <= bound) ++largest;
  const FoundBatch found = search_batch(1 << 24, [&](std::int64_t batch) {
    return std::optional(BatchTrial{bytes(batch), bound});
  });
  CHECK(found.batch <= largest);
  CHECK((found.batch >= largest - largest / 32 || bytes(found.batch) * 100 >= bound * 97));
}
