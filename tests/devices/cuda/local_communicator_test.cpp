// The communicator of rank threads, on CPU tensors: the same code that copies between GPUs.
#include "cuda/local_communicator.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <numeric>
#include <thread>

#include "cuda/rank_order.h"
#include "trainhost/error.h"
#include "trainhost/random.h"

using Catch::Matchers::Contains;
using namespace cuda;
using trainhost::Communicator;
using trainhost::ReduceOp;
using trainhost::Traffic;

namespace {

constexpr auto kTag = Traffic::kStrategy;

/// N ranks as threads; run() gives what each threw, or "".
class Ranks {
 public:
  explicit Ranks(int world, double timeout_seconds = 20)
      : group_(std::make_shared<LocalGroup>("threads", world, timeout_seconds, signal())) {
    for (int rank = 0; rank < world; ++rank) {
      ends_.push_back(
          std::make_unique<LocalCommunicator>(group_, rank, at::kCPU, [this] { ++settled_; }));
    }
  }

  trainhost::AbortSignal signal() { return trainhost::AbortSignal(word_); }
  Communicator& end(int rank) { return *ends_[static_cast<std::size_t>(rank)]; }
  int settled() const { return settled_; }

  template <class Body>
  std::vector<std::string> run(Body&& body) {
    std::vector<std::string> errors(ends_.size());
    {
      std::vector<std::jthread> threads;
      for (std::size_t r = 0; r < ends_.size(); ++r) {
        threads.emplace_back([&, r] {
          try {
            body(*ends_[r]);
          } catch (const std::exception& error) {
            errors[r] = error.what();
          }
        });
      }
    }
    return errors;
  }

 private:
  std::atomic<std::uint32_t> word_{0};
  std::atomic<int> settled_{0};
  std::shared_ptr<LocalGroup> group_;
  std::vector<std::unique_ptr<LocalCommunicator>> ends_;
};

bool fine(const std::vector<std::string>& errors) {
  for (const std::string& error : errors) {
    if (!error.empty()) UNSCOPED_INFO(error);
  }
  return std::ranges::all_of(errors, &std::string::empty);
}

/// What rank `rank` brings: different on every rank, not whole numbers.
at::Tensor data_of(int rank, std::int64_t count, at::ScalarType type = at::kFloat) {
  at::Tensor out = at::empty({count}, at::kFloat);
  auto draws = trainhost::Random(7, "data").at(0, 0, static_cast<std::uint64_t>(rank));
  float* values = out.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < count; ++i) values[i] = 100 * draws.uniform();
  return out.to(type);
}

at::Tensor expected(int world, std::int64_t count, ReduceOp op, at::ScalarType type = at::kFloat) {
  std::vector<at::Tensor> all;
  for (int rank = 0; rank < world; ++rank) all.push_back(data_of(rank, count, type));
  return reduce_in_rank_order(all, op);
}

bool same(const at::Tensor& a, const at::Tensor& b) { return a.equal(b); }

/// Uneven counts, one of them 0 where there are enough ranks.
std::vector<std::int64_t> uneven(int world) {
  std::vector<std::int64_t> out;
  for (int rank = 0; rank < world; ++rank) out.push_back(rank == 1 ? 0 : 5 + 7 * rank);
  return out;
}

}  // namespace

TEST_CASE("all_reduce gives every rank the sum in rank order, in every bit and type") {
  for (const int world : {1, 2, 3, 4}) {
    for (const auto type :
         {at::kDouble, at::kFloat, at::kBFloat16, at::kHalf, at::kLong, at::kByte}) {
      for (const std::int64_t count : {0, 1, 100, 1000}) {
        Ranks ranks(world);
        std::atomic<int> right{0};
        REQUIRE(fine(ranks.run([&](Communicator& end) {
          at::Tensor data = data_of(end.rank(), count, type);
          wait(end.all_reduce(data, ReduceOp::kSum, kTag));
          right += same(data, expected(world, count, ReduceOp::kSum, type));
        })));
        CHECK(right == world);
      }
    }
  }
}

TEST_CASE("least and largest are found, and one rank's result is that rank's alone") {
  Ranks ranks(3);
  std::atomic<int> right{0};
  REQUIRE(fine(ranks.run([&](Communicator& end) {
    at::Tensor least = data_of(end.rank(), 50), largest = least.clone(), sum = least.clone();
    wait(end.all_reduce(least, ReduceOp::kMin, kTag));
    wait(end.all_reduce(largest, ReduceOp::kMax, kTag));
    wait(end.reduce(sum, 2, ReduceOp::kSum, kTag));
    right += same(least, expected(3, 50, ReduceOp::kMin));
    right += same(largest, expected(3, 50, ReduceOp::kMax));
    right += end.rank() != 2 || same(sum, expected(3, 50, ReduceOp::kSum));
  })));
  CHECK(right == 9);
}

TEST_CASE("reduce_scatter and all_gather take uneven parts, apart and in place") {
  for (const int world : {1, 2, 4}) {
    const auto counts = uneven(world);
    const auto offsets = offsets_of(counts);
    const std::int64_t total = offsets.back();
    Ranks ranks(world);
    std::atomic<int> right{0};
    REQUIRE(fine(ranks.run([&](Communicator& end) {
      const auto me = static_cast<std::size_t>(end.rank());
      const at::Tensor sum = expected(world, total, ReduceOp::kSum);
      const auto part = [&](const at::Tensor& of) { return of.narrow(0, offsets[me], counts[me]); };
      const at::Tensor input = data_of(end.rank(), total), output = at::zeros({counts[me]});
      wait(end.reduce_scatter(output, input, counts, ReduceOp::kSum, kTag));
      right += same(output, part(sum)) && same(input, data_of(end.rank(), total));
      wait(end.reduce_scatter(part(input), input, counts, ReduceOp::kSum, kTag));
      right += same(part(input), part(sum));
      const at::Tensor apart = at::zeros({total}), in_place = at::zeros({total});
      wait(end.all_gather(apart, output, counts, kTag));
      right += same(apart, sum);
      part(in_place).copy_(output);
      wait(end.all_gather(in_place, part(in_place), counts, kTag));
      right += same(in_place, sum);
    })));
    CHECK(right == 4 * world);
  }
}

TEST_CASE("broadcast and all_to_all bring each rank what was sent to it") {
  Ranks ranks(3);
  std::atomic<int> right{0};
  REQUIRE(fine(ranks.run([&](Communicator& end) {
    at::Tensor data = data_of(end.rank(), 40);
    wait(end.broadcast(data, 1, kTag));
    right += same(data, data_of(1, 40));
    // Rank r sends r + 1 elements of value 10 r + s to rank s.
    const int me = end.rank();
    std::vector<std::int64_t> sent(3, me + 1), received{1, 2, 3};
    at::Tensor input = at::zeros({3 * (me + 1)}), output = at::zeros({6});
    for (int to = 0; to < 3; ++to) input.narrow(0, to * (me + 1), me + 1).fill_(10 * me + to);
    wait(end.all_to_all(output, input, received, sent, kTag));
    for (int from = 0, at = 0; from < 3; at += ++from) {
      right += same(output.narrow(0, at, from + 1), at::full({from + 1}, 10.0F * from + me));
    }
  })));
  CHECK(right == 3 + 9);
}

TEST_CASE("work issued to a device is settled before others read it") {
  Ranks ranks(2);
  REQUIRE(fine(ranks.run([&](Communicator& end) { end.barrier(kTag); })));
  CHECK(ranks.settled() == 4);  // on coming and on going, each rank
}

TEST_CASE("many operations in a row do not get in each other's way") {
  Ranks ranks(4);
  std::atomic<int> wrong{0};
  REQUIRE(fine(ranks.run([&](Communicator& end) {
    for (int i = 0; i < 200; ++i) {
      at::Tensor data = at::full({33}, static_cast<double>(end.rank() + i));
      wait(end.all_reduce(data, ReduceOp::kSum, kTag));
      wrong += data[32].item<double>() != 6 + 4 * i;
      if (i % 3 == 0) end.barrier(kTag);
    }
  })));
  CHECK(wrong == 0);
}

TEST_CASE("ranks that issue different operations are told of both") {
  Ranks ranks(2);
  const auto errors = ranks.run([&](Communicator& end) {
    at::Tensor data = at::zeros({end.rank() == 0 ? 8 : 9});
    wait(end.all_reduce(data, ReduceOp::kSum, kTag));
  });
  for (const std::string& error : errors) {
    CHECK_THAT(error, Contains("of 8 Float") && Contains("of 9 Float"));
  }
}

TEST_CASE("a rank that does not come is named when the time is up") {
  Ranks ranks(3, 0.1);
  const auto errors = ranks.run([&](Communicator& end) {
    if (end.rank() != 1) end.barrier(kTag);
  });
  CHECK_THAT(errors[0], Contains("barrier") && Contains("rank 1 did not come"));
  CHECK(errors[1].empty());
}

TEST_CASE("the abort signal and abort() end all waiting") {
  Ranks by_signal(2);
  const auto ended = by_signal.run([&](Communicator& end) {
    if (end.rank() == 1) return by_signal.signal().raise(1);
    end.barrier(kTag);
  });
  CHECK_THAT(ended[0], Contains("the run was ended"));

  Ranks by_call(2);
  const auto aborted = by_call.run([&](Communicator& end) {
    if (end.rank() == 1) return end.abort("no more");
    end.barrier(kTag);
  });
  CHECK_THAT(aborted[0], Contains("no more"));
  CHECK_THROWS_WITH(by_call.end(1).barrier(kTag), Contains("no more"));
}

TEST_CASE("allocate gives zeroed bytes, and no negative number of them") {
  Ranks ranks(1);
  const at::Tensor bytes = ranks.end(0).allocate(100);
  CHECK(bytes.equal(at::zeros({100}, at::kByte)));
  CHECK(reinterpret_cast<std::uintptr_t>(bytes.data_ptr()) % 64 == 0);
  CHECK_THROWS_AS(ranks.end(0).allocate(-1), trainhost::Error);
}
