// A store as rank 0 of two has it, with a communicator that notes what is asked of it.
#include "zero/parameter_store.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/zeros.h>

#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

#include "trainhost/error.h"

using namespace trainhost;
using zero::HostMemory;
using zero::ParameterStore;

namespace {

constexpr std::int64_t kCount = 8192;  // parameters of a unit

using Log = std::vector<std::string>;

class NotedWork : public Work {
 public:
  explicit NotedWork(Log& log) : log_(log) {}
  void wait() override { log_.emplace_back("wait"); }

 private:
  Log& log_;
};

/// The other rank has what this one has.
class NotedCommunicator : public Communicator {
 public:
  explicit NotedCommunicator(int world) : world_(world) {}
  Log log;

  int rank() const override { return 0; }
  int world() const override { return world_; }
  bool sums_in_rank_order() const override { return true; }
  at::Tensor allocate(std::int64_t bytes) override { return at::zeros({bytes}, at::kByte); }
  WorkHandle all_gather(at::Tensor output, at::Tensor input, std::span<const std::int64_t> counts,
                        Traffic) override {
    log.emplace_back("gather");
    std::int64_t begin = 0;
    for (const std::int64_t count : counts) {
      output.narrow(0, begin, count).copy_(input.narrow(0, 0, count));
      begin += count;
    }
    return std::make_unique<NotedWork>(log);
  }
  WorkHandle all_reduce(at::Tensor, ReduceOp, Traffic) override { return nullptr; }
  WorkHandle reduce(at::Tensor, int, ReduceOp, Traffic) override { return nullptr; }
  WorkHandle reduce_scatter(at::Tensor, at::Tensor, std::span<const std::int64_t>, ReduceOp,
                            Traffic) override {
    return nullptr;
  }
  WorkHandle broadcast(at::Tensor, int, Traffic) override { return nullptr; }
  WorkHandle all_to_all(at::Tensor, at::Tensor, std::span<const std::int64_t>,
                        std::span<const std::int64_t>, Traffic) override {
    return nullptr;
  }
  void barrier(Traffic) override {}
  void abort(std::string_view) noexcept override {}

 private:
  const int world_;
};

class Cpu : public DeviceSession {
 public:
  at::Device device() const override { return at::kCPU; }
  MemoryStatistics memory() const override { return {}; }
  void reset_peak_memory() override {}
  void synchronize() override {}
  std::unique_ptr<Communicator> communicator(Store&, const std::string&, int, int) override {
    return nullptr;
  }
};

class Quiet : public Host {
 public:
  void log(Level, std::string_view) override {}
  void progress(std::string_view, std::int64_t, std::int64_t) override {}
  void announce_stand_in(std::string_view) override {}
  const std::string& cache_directory() const override { return text_; }
  int rank() const override { return 0; }
  int world() const override { return 2; }
  int threads() const override { return 1; }
  std::uint64_t seed() const override { return 1; }
  const std::string& device_kind() const override { return text_; }
  void* extension(std::string_view) override { return nullptr; }

 private:
  const std::string text_ = "cpu";
};

class NoOptimizer : public Optimizer {
 public:
  std::vector<OptimizerStateSpec> states() const override { return {}; }
  void step(std::span<ParameterSlice>, double, double) override {}
  void add_squares(const ParameterSlice&, ExactSum&) const override {}
};

/// Three units of the same size, in a bucket each.
struct Bench {
  Quiet host;
  ModelSpec model;
  std::vector<ObjectiveSpec> objectives{{"fit", {0, 1, 2}}};
  Cpu device;
  NotedCommunicator communicator;
  NoOptimizer optimizer;
  std::vector<zero::ShardLayout> layouts;
  AttachContext context{.host = host,
                        .model = model,
                        .objectives = objectives,
                        .device = device,
                        .communicator = communicator,
                        .optimizer = optimizer};

  explicit Bench(int world = 2) : communicator(world) {
    for (const char* name : {"a", "b", "c"}) {
      model.units.push_back({name, {{"weight", {kCount}, [](at::Tensor&) {}}}});
    }
    layouts = zero::shard_layouts(model, objectives, 0, world);
  }
};

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
