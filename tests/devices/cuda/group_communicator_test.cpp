// The communicator of processes, over a wire of CPU threads instead of NCCL.
#include "cuda/group_communicator.h"

#include "memory_store.h"
#include "ranks.h"
#include "thread_wire.h"
#include "trainhost/error.h"

using Catch::Matchers::Contains;
using namespace cuda;
using namespace ranks_of_test;

namespace {

struct Settings {
  bool rank_order_sums = false;
  double timeout = 20;
  std::string record{};
};

class GroupRanks : public Ranks {
 public:
  explicit GroupRanks(int world, const Settings& settings = {}) {
    constexpr double kWireTimeout = 20;
    const auto threads =
        std::make_shared<LocalGroup>("wire", world, kWireTimeout, trainhost::AbortSignal(no_word_));
    fill(world, [&](int rank) {
      auto wire = std::make_unique<ThreadWire>(threads, rank);
      wire->record = settings.record;
      return std::make_unique<GroupCommunicator>(std::make_shared<Group>(
          GroupPlace{"world", rank, world, at::kCPU, settings.rank_order_sums},
          trainhost::OpenOptions{1, settings.timeout, signal()}, std::move(wire),
          std::make_unique<ProgressBoard>(store_, "world", rank, world, 0.02)));
    });
  }

  ~GroupRanks() { ends().clear(); }  // before what they use

 private:
  std::atomic<std::uint32_t> no_word_{0};
  MemoryStore store_;
};

}  // namespace

TEST_CASE("every operation in rank order, where that is asked for, in every type") {
  for (const int world : {2, 3, 4}) {
    for (const auto type :
         {at::kDouble, at::kFloat, at::kBFloat16, at::kHalf, at::kLong, at::kByte}) {
      INFO(world << " ranks, " << c10::toString(type));
      GroupRanks ranks(world, {.rank_order_sums = true});
      CHECK(ranks.end(0).sums_in_rank_order());
      CHECK(all_is_right(ranks, type));
    }
  }
}

TEST_CASE("16-bit sums are made in 32 bits, and sums of two are in order, whatever is asked for") {
  for (const auto type : {at::kBFloat16, at::kHalf}) {
    GroupRanks ranks(4);
    CHECK(all_is_right(ranks, type));
  }
  GroupRanks two(2);
  CHECK(two.end(0).sums_in_rank_order());
  CHECK(all_is_right(two));
}

TEST_CASE("other sums are the wire's own: one pass over it") {
  GroupRanks ranks(3);
  CHECK_FALSE(ranks.end(0).sums_in_rank_order());
  std::atomic<int> same_bits{0}, near{0};
  REQUIRE(fine(ranks.run([&](Communicator& end) {
    const at::Tensor sum = expected(3, 1000, ReduceOp::kSum);
    at::Tensor data = data_of(end.rank(), 1000);
    wait(end.all_reduce(data, ReduceOp::kSum, kTag));
    same_bits += same(data, sum);
    near += data.allclose(sum);
  })));
  CHECK(same_bits == 0);
  CHECK(near == 3);
}

TEST_CASE("many operations are under way at once, and may be waited for in any order") {
  GroupRanks ranks(2);
  std::atomic<int> wrong{0};
  REQUIRE(fine(ranks.run([&](Communicator& end) {
    std::vector<at::Tensor> data;
    std::vector<trainhost::WorkHandle> works;
    for (int i = 0; i < 50; ++i) {
      data.push_back(at::full({9}, 1.0 * i + end.rank()));
      works.push_back(end.all_reduce(data.back(), ReduceOp::kSum, kTag));
    }
    for (int i = 49; i >= 0; --i) {
      wait(works[static_cast<std::size_t>(i)]);
      wrong += data[static_cast<std::size_t>(i)][0].item<double>() != 2 * i + 1;
    }
  })));
  CHECK(wrong == 0);
}

TEST_CASE("a time-out names the operation, the rank that did not come, and where that one is") {
  GroupRanks ranks(3, {.timeout = 0.3});
  std::atomic<int> given_up{0}, of_the_right_kind{0};
  const auto errors = ranks.run([&](Communicator& end) {
    end.barrier(kTag);
    if (end.rank() == 1) {
      while (given_up < 2) std::this_thread::yield();  // it computes something else
      return;
    }
    at::Tensor data = at::zeros({10});
    try {
      wait(end.all_reduce(data, ReduceOp::kSum, kTag));
    } catch (const trainhost::Error& error) {
      ++given_up;
      of_the_right_kind += error.failure() == trainhost::Failure::kRankLost;
      throw;
    }
  });
  for (const int rank : {0, 2}) {
    CHECK_THAT(errors[static_cast<std::size_t>(rank)],
               Contains("cuda group 'world', rank " + std::to_string(rank) + " of 3") &&
                   Contains("all_reduce (sum) of 10 Float") && Contains("not done within 0.3 s") &&
                   Contains("rank 1 did not come to this operation 2 of the group") &&
                   Contains("last was operation 1, all_reduce (max) of 1 Byte") &&
                   Contains("NCCL_TIMEOUT"));
  }
  CHECK(errors[1].empty());
  CHECK(of_the_right_kind == 2);
}

TEST_CASE("the flight recorder's trace is named where one was written") {
  GroupRanks ranks(2, {.timeout = 0.1, .record = "/traces/rank_0"});
  const auto errors = ranks.run([&](Communicator& end) {
    if (end.rank() == 0) end.barrier(kTag);
  });
  CHECK_THAT(errors[0], Contains("the flight recorder's trace is /traces/rank_0"));
}

TEST_CASE("the abort signal and abort() end all waiting, and what was aborted is no result") {
  GroupRanks by_signal(2);
  const auto ended = by_signal.run([&](Communicator& end) {
    if (end.rank() == 1) return by_signal.signal().raise(1);
    end.barrier(kTag);
  });
  CHECK_THAT(ended[0], Contains("rank 1 was lost") && Contains("all_reduce"));

  GroupRanks by_call(2);
  const auto aborted = by_call.run([&](Communicator& end) {
    if (end.rank() == 0) return end.barrier(kTag);
    by_call.end(0).abort("no more");
  });
  CHECK_THAT(aborted[0], Contains("no more"));
  CHECK_THROWS_WITH(by_call.end(0).barrier(kTag), Contains("no more"));
}

TEST_CASE("what the wire throws is an Error that names the operation") {
  GroupRanks ranks(2);
  const auto errors = ranks.run([&](Communicator& end) {
    at::Tensor data = at::zeros({end.rank() == 0 ? 8 : 9});
    wait(end.broadcast(data, 0, kTag));
  });
  for (const std::string& error : errors) CHECK_THAT(error, Contains("different operations"));
}

TEST_CASE("a Work may outlive its communicator, and a group is closed in good order") {
  ThreadWire::closed = 0;
  {
    GroupRanks ranks(2);
    std::vector<trainhost::WorkHandle> works(2);
    std::vector<at::Tensor> data{at::full({3}, 1.0), at::full({3}, 2.0)};
    REQUIRE(fine(ranks.run([&](Communicator& end) {
      const auto me = static_cast<std::size_t>(end.rank());
      works[me] = end.all_reduce(data[me], ReduceOp::kSum, kTag);
    })));
    ranks.ends().clear();
    for (const auto& work : works) wait(work);
    CHECK(data[0].equal(at::full({3}, 3.0)));
    CHECK(ThreadWire::closed == 0);
  }
  CHECK(ThreadWire::closed == 2);
}
