// Collectives staged through host memory. Here the device is the CPU itself; a device with memory
// of its own is tests/third_party/standin.
#include "trainhost/host_staged.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "threads.h"
#include "trainhost/error.h"

using Catch::Matchers::Contains;
using namespace trainhost;

namespace {

constexpr Traffic kTag = Traffic::kStrategy;

/// A group of threads whose collectives are staged.
class Staged : public Threads {
 public:
  explicit Staged(int world, double timeout_seconds = 60)
      : Threads(world, timeout_seconds, host_staged_communicators) {}
};

void require(bool good, const char* what) {
  if (!good) throw std::runtime_error(what);
}

at::Tensor filled(std::int64_t count, double value) { return at::full({count}, value, at::kFloat); }

/// Every operation, small (done in the call) and large (under way when it returns).
void try_all(Communicator& group, std::int64_t count) {
  const double mine = group.rank() + 1;
  const std::vector<std::int64_t> counts = {count, 0, count + 1};
  const std::int64_t total = 2 * count + 1, own = counts[static_cast<std::size_t>(group.rank())];

  at::Tensor data = filled(count, mine);
  wait(group.all_reduce(data, ReduceOp::kSum, kTag));
  require(at::equal(data, filled(count, 6)), "all_reduce");

  data = filled(count, mine);
  wait(group.reduce(data, 1, ReduceOp::kMax, kTag));
  require(group.rank() != 1 || at::equal(data, filled(count, 3)), "reduce");

  at::Tensor part = at::empty({own}, at::kFloat);
  wait(group.reduce_scatter(part, filled(total, mine), counts, ReduceOp::kSum, kTag));
  require(at::equal(part, filled(own, 6)), "reduce_scatter");

  at::Tensor all = at::zeros({total}, at::kFloat);
  wait(group.all_gather(all, filled(own, mine), counts, kTag));
  require(at::equal(all.narrow(0, 0, count), filled(count, 1)), "all_gather, rank 0");
  require(at::equal(all.narrow(0, count, count + 1), filled(count + 1, 3)), "all_gather, rank 2");

  data = filled(count, mine);
  wait(group.broadcast(data, 2, kTag));
  require(at::equal(data, filled(count, 3)), "broadcast");

  const std::vector<std::int64_t> even(3, count);
  at::Tensor received = at::zeros({3 * count}, at::kFloat);
  wait(group.all_to_all(received, filled(3 * count, mine), even, even, kTag));
  require(at::equal(received.narrow(0, count, count), filled(count, 2)), "all_to_all");
  group.barrier(kTag);
}

}  // namespace

TEST_CASE("every operation goes through the host and back") {
  Staged group(3);
  for (const std::int64_t count : {0, 1, 1000, 100000}) {
    CHECK(group.run([&](Communicator& each) { try_all(each, count); }) ==
          std::vector<std::string>(3));
  }
}

TEST_CASE("what a collective writes is no change that autograd counts") {
  Staged group(2);
  const auto errors = group.run([](Communicator& each) {
    for (const std::int64_t count : {10, 100000}) {
      at::Tensor data = filled(count, 1);
      const auto version = data._version();
      wait(each.all_reduce(data, ReduceOp::kSum, kTag));
      require(data._version() == version, "the version has changed");
    }
  });
  CHECK(errors == std::vector<std::string>(2));
}

TEST_CASE("a group of one copies at most") {
  Staged group(1);
  const auto errors = group.run([](Communicator& each) {
    at::Tensor data = filled(5, 2), out = at::zeros({5}, at::kFloat);
    const std::vector<std::int64_t> counts = {5};
    require(each.all_reduce(data, ReduceOp::kSum, kTag) == nullptr, "done at once");
    wait(each.reduce(data, 0, ReduceOp::kSum, kTag));
    wait(each.broadcast(data, 0, kTag));
    wait(each.reduce_scatter(out, data, counts, ReduceOp::kSum, kTag));
    require(at::equal(out, data), "reduce_scatter");
    wait(each.all_gather(out.zero_(), data, counts, kTag));
    require(at::equal(out, data), "all_gather");
    wait(each.all_to_all(out.zero_(), data, counts, counts, kTag));
    require(at::equal(out, data), "all_to_all");
  });
  CHECK(errors == std::vector<std::string>(1));
  const auto wrong = group.run([](Communicator& each) {
    const std::vector<std::int64_t> counts = {4};
    each.all_gather(at::zeros({5}), at::zeros({5}), counts, kTag);
  });
  CHECK_THAT(wrong[0], Contains("all_gather") && Contains("4 elements"));
}

TEST_CASE("misuse is refused by name") {
  Staged group(1);
  const auto said = [&](const std::function<void(Communicator&)>& body) {
    return group.run(body).front();
  };
  const std::vector<std::int64_t> counts = {4};
  CHECK_THAT(said([](Communicator& each) { each.all_reduce({}, ReduceOp::kSum, kTag); }),
             Contains("all_reduce of group 'threads', rank 0") && Contains("undefined"));
  CHECK_THAT(said([](Communicator& each) {
               each.broadcast(at::zeros({4}, at::TensorOptions(at::kMeta)), 0, kTag);
             }),
             Contains("broadcast") && Contains("on another device") && Contains("meta"));
  CHECK_THAT(said([&](Communicator& each) {
               each.reduce_scatter(at::zeros({4}), at::zeros({4, 2}).select(1, 0), counts,
                                   ReduceOp::kSum, kTag);
             }),
             Contains("reduce_scatter") && Contains("input is not contiguous"));
  CHECK_THAT(said([](Communicator& each) { each.allocate(-1); }), Contains("a size is wrong"));
  CHECK_THAT(said([](Communicator& each) { each.broadcast(at::zeros({4}), 3, kTag); }),
             Contains("no such root"));
}

TEST_CASE("a rank that stays away ends the wait of the others, named with the operation") {
  Staged group(3, 0.3);
  const auto errors = group.run([](Communicator& each) {
    if (each.rank() == 1) return;
    wait(each.all_reduce(at::ones({100000}), ReduceOp::kSum, kTag));
  });
  CHECK_THAT(errors[0] + errors[2], Contains("all_reduce of 100000 float32") &&
                                        Contains("rank 1 did not come within 0.3 s"));
}

TEST_CASE("the run's end wakes who waits") {
  Staged group(2);
  const auto errors = group.run([&](Communicator& each) {
    if (each.rank() == 0) wait(each.all_reduce(at::ones({8}), ReduceOp::kSum, kTag));
    group.abort().raise(1);
  });
  CHECK_THAT(errors[0], Contains("rank 1 was lost"));
}
