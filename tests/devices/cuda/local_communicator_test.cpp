// The communicator of rank threads, on CPU tensors: the same code that copies between GPUs.
#include "cuda/local_communicator.h"

#include "ranks.h"
#include "trainhost/error.h"

using Catch::Matchers::Contains;
using namespace cuda;
using namespace ranks_of_test;

namespace {

class LocalRanks : public Ranks {
 public:
  explicit LocalRanks(int world, double timeout_seconds = 20) {
    const auto group = std::make_shared<LocalGroup>("threads", world, timeout_seconds, signal());
    fill(world, [&](int rank) {
      return std::make_unique<LocalCommunicator>(group, rank, at::kCPU, [this] { ++settled_; });
    });
  }

  int settled() const { return settled_; }

 private:
  std::atomic<int> settled_{0};
};

}  // namespace

TEST_CASE("all_reduce gives every rank the sum in rank order, in every bit and type") {
  for (const int world : {1, 2, 3, 4}) {
    for (const auto type :
         {at::kDouble, at::kFloat, at::kBFloat16, at::kHalf, at::kLong, at::kByte}) {
      for (const std::int64_t count : {0, 1, 100, 1000}) {
        LocalRanks ranks(world);
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

TEST_CASE("every operation, with even and uneven parts, apart and in place") {
  for (const int world : {1, 2, 3, 4}) {
    LocalRanks ranks(world);
    CHECK(all_is_right(ranks));
  }
}

TEST_CASE("the input of a reduce_scatter is left alone where the output lies elsewhere") {
  LocalRanks ranks(2);
  std::atomic<int> right{0};
  REQUIRE(fine(ranks.run([&](Communicator& end) {
    const at::Tensor input = data_of(end.rank(), 8), output = at::zeros({4});
    wait(end.reduce_scatter(output, input, std::vector<std::int64_t>{4, 4}, ReduceOp::kSum, kTag));
    right += same(input, data_of(end.rank(), 8));
  })));
  CHECK(right == 2);
}

TEST_CASE("work issued to a device is settled before others read it") {
  LocalRanks ranks(2);
  REQUIRE(fine(ranks.run([&](Communicator& end) { end.barrier(kTag); })));
  CHECK(ranks.settled() == 4);  // on coming and on going, each rank
}

TEST_CASE("what the last rank to come throws, all throw") {
  std::atomic<std::uint32_t> word{0};
  LocalGroup group("threads", 3, 20, trainhost::AbortSignal(word));
  std::atomic<int> thrown{0}, called{0};
  {
    std::vector<std::jthread> threads;
    for (int rank = 0; rank < 3; ++rank) {
      threads.emplace_back([&, rank] {
        try {
          group.meet(rank, [&] {
            ++called;
            throw std::runtime_error("no");
          });
        } catch (const std::runtime_error&) {
          ++thrown;
        }
        group.meet(rank);  // the next meeting knows nothing of it
      });
    }
  }
  CHECK(called == 1);
  CHECK(thrown == 3);
}

TEST_CASE("many operations in a row do not get in each other's way") {
  LocalRanks ranks(4);
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
  LocalRanks ranks(2);
  const auto errors = ranks.run([&](Communicator& end) {
    at::Tensor data = at::zeros({end.rank() == 0 ? 8 : 9});
    wait(end.all_reduce(data, ReduceOp::kSum, kTag));
  });
  for (const std::string& error : errors) {
    CHECK_THAT(error, Contains("of 8 Float") && Contains("of 9 Float"));
  }
}

TEST_CASE("a rank that does not come is named when the time is up") {
  LocalRanks ranks(3, 0.1);
  const auto errors = ranks.run([&](Communicator& end) {
    if (end.rank() != 1) end.barrier(kTag);
  });
  CHECK_THAT(errors[0], Contains("barrier") && Contains("rank 1 did not come"));
  CHECK(errors[1].empty());
}

TEST_CASE("the abort signal and abort() end all waiting") {
  LocalRanks by_signal(2);
  const auto ended = by_signal.run([&](Communicator& end) {
    if (end.rank() == 1) return by_signal.signal().raise(1);
    end.barrier(kTag);
  });
  CHECK_THAT(ended[0], Contains("rank 1 was lost"));

  LocalRanks by_call(2);
  const auto aborted = by_call.run([&](Communicator& end) {
    if (end.rank() == 1) return end.abort("no more");
    end.barrier(kTag);
  });
  CHECK_THAT(aborted[0], Contains("no more"));
  CHECK_THROWS_WITH(by_call.end(1).barrier(kTag), Contains("no more"));
}

TEST_CASE("allocate gives zeroed bytes, and no negative number of them") {
  LocalRanks ranks(1);
  const at::Tensor bytes = ranks.end(0).allocate(100);
  CHECK(bytes.equal(at::zeros({100}, at::kByte)));
  CHECK(reinterpret_cast<std::uintptr_t>(bytes.data_ptr()) % 64 == 0);
  CHECK_THROWS_AS(ranks.end(0).allocate(-1), trainhost::Error);
}
