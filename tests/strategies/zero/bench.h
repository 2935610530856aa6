// Rank 0 of two as the strategy's parts see it, with a communicator that notes what is asked of it.
#pragma once

#include <ATen/ops/zeros.h>

#include <catch2/catch.hpp>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "trainhost/strategy.h"
#include "zero/shard_layout.h"

namespace zero::test {

using namespace trainhost;

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
  WorkHandle reduce_scatter(at::Tensor output, at::Tensor input,
                            std::span<const std::int64_t> counts, ReduceOp, Traffic) override {
    output.copy_(input.narrow(0, 0, counts[0]));
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

/// Takes the gradient away.
class PlainDescent : public Optimizer {
 public:
  std::vector<OptimizerStateSpec> states() const override { return {}; }
  void step(std::span<ParameterSlice> slices, double, double) override {
    for (ParameterSlice& slice : slices) slice.parameter.sub_(slice.gradient);
  }
  void add_squares(const ParameterSlice&, ExactSum&) const override {}
};

/// Three units of the same size, in a bucket each.
struct Bench {
  Quiet host;
  ModelSpec model;
  std::vector<ObjectiveSpec> objectives{{"fit", {0, 1, 2}}};
  Cpu device;
  NotedCommunicator communicator;
  PlainDescent optimizer;
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

}  // namespace zero::test
