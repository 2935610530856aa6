// What claims are held against: the counters of memory and traffic.
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/zeros.h>

#include <catch2/catch.hpp>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "host/train/counting_communicator.h"
#include "host/train/memory_counter.h"
#include "host/train/step_costs.h"

namespace {

using namespace trainhost;
using namespace trainhost::train;

/// Rank 1 of 4, which sends nothing.
class Nobody : public Communicator {
 public:
  int rank() const override { return 1; }
  int world() const override { return 4; }
  bool sums_in_rank_order() const override { return true; }
  at::Tensor allocate(std::int64_t bytes) override {
    if (own_memory) return at::zeros({bytes}, at::kByte);
    shared_.resize(static_cast<std::size_t>(bytes));
    return at::from_blob(shared_.data(), {bytes}, at::kByte);
  }
  WorkHandle all_reduce(at::Tensor, ReduceOp, Traffic) override { return nullptr; }
  WorkHandle reduce(at::Tensor, int, ReduceOp, Traffic) override { return nullptr; }
  WorkHandle reduce_scatter(at::Tensor, at::Tensor, std::span<const std::int64_t>, ReduceOp,
                            Traffic) override {
    return nullptr;
  }
  WorkHandle all_gather(at::Tensor, at::Tensor, std::span<const std::int64_t>, Traffic) override {
    return nullptr;
  }
  WorkHandle broadcast(at::Tensor, int, Traffic) override { return nullptr; }
  WorkHandle all_to_all(at::Tensor, at::Tensor, std::span<const std::int64_t>,
                        std::span<const std::int64_t>, Traffic) override {
    return nullptr;
  }
  void barrier(Traffic) override {}
  void abort(std::string_view) noexcept override {}

  bool own_memory = false;

 private:
  std::vector<std::uint8_t> shared_;
};

MemoryCounter& counter() {
  static MemoryCounter& installed = MemoryCounter::install();
  return installed;
}

}  // namespace

TEST_CASE("tensors count while they live, and the peak stays") {
  MemoryCounter& memory = counter();
  const std::int64_t before = memory.current();
  memory.reset_peak();
  {
    const at::Tensor one = at::empty({1000}, at::kFloat);
    CHECK(memory.current() == before + 4000);
    const at::Tensor view = one.narrow(0, 0, 10);
    CHECK(memory.current() == before + 4000);
    // LibTorch frees some memory by its address alone.
    const at::Tensor other = at::gelu(one);
    CHECK(memory.current() == before + 8000);
    CHECK(reinterpret_cast<std::uintptr_t>(one.const_data_ptr()) % 64 == 0);
  }
  CHECK(memory.current() == before);
  CHECK(memory.peak() >= before + 8000);
  memory.reset_peak();
  CHECK(memory.peak() == before);
  CHECK(at::empty({0}).numel() == 0);
}

TEST_CASE("threads count together") {
  MemoryCounter& memory = counter();
  const std::int64_t before = memory.current();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([] {
      for (int i = 0; i < 1000; ++i) at::empty({i}, at::kFloat);
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(memory.current() == before);
}

TEST_CASE("memory of a communicator counts once") {
  MemoryCounter& memory = counter();
  Nobody nobody;
  nobody.own_memory = GENERATE(false, true);
  SentBytes sent;
  CountingCommunicator counting(nobody, sent, &memory);
  const std::int64_t before = memory.current();
  {
    const at::Tensor bytes = counting.allocate(4096);
    CHECK(memory.current() == before + 4096);
    const at::Tensor view = bytes.view(at::kFloat);
    CHECK(view.numel() == 1024);
  }
  CHECK(memory.current() == before);
}

TEST_CASE("what the steps of a run took") {
  StepCosts costs;
  CHECK(costs.all().is_null());
  for (int step = 1; step <= 20; ++step) costs.add("cf", 10, 0.001 * step, 100);
  costs.add("kg", 50, 0.5, 300);
  const auto cf = costs.by_objective()["cf"];
  CHECK(cf["steps"] == 20);
  CHECK(cf["step_ms"]["median"].get<double>() == Approx(10.5));
  CHECK(cf["step_ms"]["p95"].get<double>() == Approx(19));
  CHECK(cf["samples_per_s"].get<double>() == Approx(200 / 0.21));
  CHECK(cf["sent_bytes_per_step"] == 100);
  const auto all = costs.all();
  CHECK(all["rows"] == 250);
  CHECK(all["seconds"].get<double>() == Approx(0.71));
  CHECK(all["sent_bytes_per_step"].get<double>() == Approx(2300.0 / 21));
}

TEST_CASE("only traffic may be counted") {
  Nobody nobody;
  SentBytes sent;
  CountingCommunicator counting(nobody, sent, nullptr);
  const std::int64_t before = counter().current();
  const at::Tensor bytes = counting.allocate(4096);
  CHECK(counter().current() == before);
  counting.all_reduce(at::empty({100}, at::kFloat), ReduceOp::kSum, Traffic::kStrategy);
  CHECK(sent.strategy() == 600);
}

TEST_CASE("what a rank sends, and for whom") {
  Nobody nobody;
  SentBytes sent;
  CountingCommunicator counting(nobody, sent, &counter());
  const at::Tensor data = at::empty({100}, at::kFloat);  // 400 bytes
  const std::vector<std::int64_t> counts{10, 20, 30, 40};
  std::int64_t before = 0;
  const auto sends = [&](std::int64_t bytes) {
    const std::int64_t now = sent.strategy();
    CHECK(now - before == bytes);
    before = now;
  };
  counting.all_reduce(data, ReduceOp::kSum, Traffic::kStrategy);
  sends(2 * 300);
  counting.reduce(data, 0, ReduceOp::kSum, Traffic::kStrategy);
  sends(300);
  counting.broadcast(data, 0, Traffic::kStrategy);
  sends(300);
  counting.reduce_scatter(data.narrow(0, 10, 20), data, counts, ReduceOp::kSum, Traffic::kStrategy);
  sends(320);
  counting.all_gather(data, data.narrow(0, 10, 20), counts, Traffic::kStrategy);
  sends(3 * 80);
  counting.all_to_all(data, data, counts, counts, Traffic::kStrategy);
  sends(320);
  counting.all_reduce(data, ReduceOp::kSum, Traffic::kModel);
  counting.all_reduce(data, ReduceOp::kSum, Traffic::kHost);
  sends(0);
}

TEST_CASE("a process knows its share of its pages") {
  const std::int64_t bytes = proportional_resident_bytes();
  CHECK(bytes > 1 << 20);
}
