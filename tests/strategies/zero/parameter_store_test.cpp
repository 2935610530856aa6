#include "zero/parameter_store.h"

#include <utility>
#include <vector>

#include "bench.h"

using namespace zero::test;
using zero::HostMemory;
using zero::ParameterStore;

namespace {

struct Sharded : Bench {
  ParameterStore store;
  std::vector<at::Tensor> units;

  explicit Sharded(int world = 2, HostMemory* memory = nullptr)
      : Bench(world), store(context, layouts, communicator, {.host = memory}) {
    for (int unit = 0; unit < 3; ++unit) {
      units.push_back(store.allocate(unit).view(at::kFloat));
      units.back().fill_(unit + 1);
      store.initialised(unit);
    }
    communicator.log.clear();
  }
  Log log() { return std::exchange(communicator.log, {}); }
  bool is(int unit, float value) const {
    return units[unit].min().item<float>() == value && units[unit].max().item<float>() == value;
  }
  /// Buckets are in the reverse of the model's order.
  at::Tensor mine(int unit) const { return store.mine(static_cast<std::size_t>(2 - unit)); }
};

}  // namespace

TEST_CASE("a unit is gathered when it is needed and gone after") {
  Sharded bench;
  CHECK(bench.units[0].storage().nbytes() == 0);
  CHECK(bench.store.acquire(0));
  CHECK(bench.log() == Log{"gather", "wait"});
  CHECK(bench.is(0, 1));
  CHECK_FALSE(bench.store.acquire(0));
  bench.store.release(0);
  CHECK(bench.is(0, 1));
  CHECK(bench.log().empty());
  bench.store.release(0);
  CHECK(bench.units[0].storage().nbytes() == 0);
}

TEST_CASE("a unit that was foreseen is gathered once, and waited for when it is needed") {
  Sharded bench;
  bench.store.acquire(0);
  bench.store.prefetch(1);
  CHECK(bench.log() == Log{"gather", "wait", "gather"});
  CHECK(bench.store.acquire(1));
  CHECK(bench.log() == Log{"wait"});
  CHECK(bench.is(0, 1));
  CHECK(bench.is(1, 2));
}

TEST_CASE("one unit is foreseen at a time, and none that is there") {
  Sharded bench;
  bench.store.acquire(0);
  bench.store.prefetch(0);
  CHECK(bench.log() == Log{"gather", "wait"});
  bench.store.prefetch(1);
  bench.store.prefetch(2);
  CHECK(bench.log() == Log{"gather"});
}

TEST_CASE("a wrong guess is given up when another unit comes") {
  Sharded bench;
  bench.store.acquire(0);
  bench.store.prefetch(1);
  bench.log();
  CHECK(bench.store.acquire(2));
  CHECK(bench.log() == Log{"wait", "gather", "wait"});
  CHECK(bench.is(2, 3));
  CHECK(bench.units[1].storage().nbytes() == 0);
  CHECK(bench.store.acquire(1));
  CHECK(bench.log() == Log{"gather", "wait"});
}

TEST_CASE("what was foreseen before an update is gathered anew after it") {
  Sharded bench;
  bench.store.acquire(0);
  bench.store.release(0);
  bench.store.prefetch(1);
  bench.store.drop_prefetched();
  CHECK(bench.log() == Log{"gather", "wait", "gather", "wait"});
  bench.mine(1).fill_(7);
  bench.store.acquire(1);
  CHECK(bench.log() == Log{"gather", "wait"});
  CHECK(bench.is(1, 7));
}

TEST_CASE("what is under way when a session ends is waited for") {
  Bench bench;
  {
    ParameterStore store(bench.context, bench.layouts, bench.communicator, {});
    for (int unit = 0; unit < 3; ++unit) {
      store.allocate(unit);
      store.initialised(unit);
    }
    bench.communicator.log.clear();
    store.prefetch(1);
  }
  CHECK(bench.communicator.log == Log{"gather", "wait"});
}

TEST_CASE("one rank alone has all units, but for those that its host holds") {
  Bench alone(1);
  ParameterStore whole(alone.context, alone.layouts, alone.communicator, {});
  CHECK_FALSE(whole.comes_and_goes(0));
  HostMemory memory(at::kCPU, "");
  Sharded bench(1, &memory);
  CHECK(bench.store.comes_and_goes(0));
  bench.store.acquire(1);
  CHECK(bench.is(1, 2));
  bench.store.release(1);
  CHECK(bench.units[1].storage().nbytes() == 0);
}
