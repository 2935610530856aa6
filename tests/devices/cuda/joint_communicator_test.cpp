// The communicator of rank threads that one thread drives, over CPU tensors instead of NCCL.
#include "cuda/joint_communicator.h"

#include <ATen/ops/cat.h>

#include <map>

#include "cuda/local_way.h"
#include "ranks.h"
#include "trainhost/error.h"

using Catch::Matchers::Contains;
using namespace cuda;
using namespace ranks_of_test;
using Verb = JointCall::Verb;

namespace {

/// Carries the calls out at once, as NCCL's documentation says what they do; adds from the last
/// rank to the first.
class CpuJoint final : public Joint {
 public:
  explicit CpuJoint(int world) : world_(world) {}

  void come(int) override { ++came; }
  Issued mark(int) override { return std::make_unique<Done>(hangs); }
  void abort() noexcept override { aborted = true; }

  void issue(std::span<const JointCall> calls) override {
    ++groups;
    std::map<std::pair<int, int>, at::Tensor> sent;
    for (const JointCall& call : calls) {
      if (call.verb == Verb::kSend) sent[{call.rank, call.peer}] = call.from.clone();
    }
    for (std::size_t begin = 0; begin < calls.size();) {
      const JointCall& call = calls[begin];
      if (call.verb == Verb::kReceive) call.to.copy_(sent.at({call.peer, call.rank}));
      if (call.verb == Verb::kSend || call.verb == Verb::kReceive) {
        ++begin;
        continue;
      }
      // All others come once a rank, in the order of ranks.
      together(calls.subspan(begin, static_cast<std::size_t>(world_)));
      begin += static_cast<std::size_t>(world_);
    }
  }

  std::atomic<int> came{0}, groups{0};
  std::atomic<bool> hangs{false}, aborted{false};

 private:
  class Done final : public Pending {
   public:
    explicit Done(const std::atomic<bool>& hangs) : hangs_(hangs) {}
    bool done() override { return !hangs_; }
    void order() override {}

   private:
    const std::atomic<bool>& hangs_;
  };

  void together(std::span<const JointCall> calls) const {
    std::vector<at::Tensor> from;
    for (const JointCall& call : calls) from.push_back(call.from.clone());
    for (const JointCall& call : calls) {
      const auto root = static_cast<std::size_t>(call.peer);
      switch (call.verb) {
        case Verb::kAllReduce:
          call.to.copy_(reduced(from, call.op));
          break;
        case Verb::kReduce:
          if (call.rank == call.peer) call.to.copy_(reduced(from, call.op));
          break;
        case Verb::kReduceScatter:
          call.to.copy_(
              reduced(from, call.op).narrow(0, call.rank * call.to.numel(), call.to.numel()));
          break;
        case Verb::kAllGather:
          call.to.copy_(at::cat(from));
          break;
        default:
          call.to.copy_(from[root]);
      }
    }
  }

  static at::Tensor reduced(std::vector<at::Tensor> parts, ReduceOp op) {
    std::ranges::reverse(parts);
    return reduce_in_rank_order(parts, op);
  }

  const int world_;
};

class JointRanks : public Ranks {
 public:
  explicit JointRanks(int world, double timeout_seconds = 20)
      : joint(std::make_shared<CpuJoint>(world)) {
    const auto group = std::make_shared<LocalGroup>("threads", world, timeout_seconds, signal());
    fill(world, [&](int rank) {
      return std::make_unique<JointCommunicator>(
          group, rank, at::kCPU, [] {}, joint);
    });
  }
  const std::shared_ptr<CpuJoint> joint;
};

}  // namespace

TEST_CASE("every operation of two ranks, in every type") {
  for (const auto type :
       {at::kDouble, at::kFloat, at::kBFloat16, at::kHalf, at::kLong, at::kByte}) {
    JointRanks ranks(2);
    CHECK(ranks.end(1).sums_in_rank_order());
    CHECK(all_is_right(ranks, type));
    CHECK(ranks.joint->groups > 0);
  }
}

TEST_CASE("every operation of more ranks; whole numbers have one sum in any order") {
  for (const int world : {3, 4}) {
    JointRanks ranks(world);
    CHECK_FALSE(ranks.end(0).sums_in_rank_order());
    CHECK(all_is_right(ranks, at::kLong));
  }
}

TEST_CASE("16-bit sums of more than two ranks are left to copies, which add in 32 bits") {
  for (const auto type : {at::kBFloat16, at::kHalf}) {
    JointRanks ranks(3);
    CHECK(all_is_right(ranks, type));
  }
  JointRanks ranks(3);
  REQUIRE(fine(ranks.run([&](Communicator& end) {
    at::Tensor data = data_of(end.rank(), 10, at::kHalf);
    wait(end.all_reduce(data, ReduceOp::kSum, kTag));
  })));
  CHECK(ranks.joint->groups == 0);
}

TEST_CASE("one collective is one group of calls, whoever comes last") {
  JointRanks ranks(4);
  std::atomic<int> wrong{0};
  REQUIRE(fine(ranks.run([&](Communicator& end) {
    for (int i = 0; i < 100; ++i) {
      at::Tensor data = at::full({33}, static_cast<double>(end.rank() + i));
      wait(end.all_reduce(data, ReduceOp::kSum, kTag));
      wrong += data[32].item<double>() != 6 + 4 * i;
    }
  })));
  CHECK(wrong == 0);
  CHECK(ranks.joint->groups == 100);
  CHECK(ranks.joint->came == 400);
}

TEST_CASE("ranks that issue different operations are told of both, and NCCL of none") {
  JointRanks ranks(3);
  const auto errors = ranks.run([&](Communicator& end) {
    at::Tensor data = at::zeros({8}, end.rank() == 0 ? at::kHalf : at::kFloat);
    wait(end.all_reduce(data, ReduceOp::kSum, kTag));
  });
  for (const std::string& error : errors) {
    CHECK_THAT(error, Contains("of 8 Float") && Contains("of 8 Half"));
  }
  CHECK(ranks.joint->groups == 0);
}

TEST_CASE("a rank that sends another count than is expected is named on every rank") {
  JointRanks ranks(2);
  const auto errors = ranks.run([&](Communicator& end) {
    const std::vector<std::int64_t> sent{1, end.rank() == 1 ? 2 : 1}, received{1, 1};
    const at::Tensor input = at::zeros({sent[0] + sent[1]}), output = at::zeros({2});
    wait(end.all_to_all(output, input, received, sent, kTag));
  });
  for (const std::string& error : errors) {
    CHECK_THAT(error, Contains("rank 1 sends another count than is expected"));
  }
}

TEST_CASE("a time-out names the operation and who did not come, or that all came") {
  JointRanks missing(3, 0.1);
  const auto errors = missing.run([&](Communicator& end) {
    if (end.rank() != 1) wait(end.broadcast(at::zeros({4}), 0, kTag));
  });
  CHECK_THAT(errors[0], Contains("broadcast of 4 Float, root 0") &&
                            Contains("rank 1 did not come within 0.1 s"));

  JointRanks hanging(2, 0.1);
  hanging.joint->hangs = true;
  const auto hung =
      hanging.run([&](Communicator& end) { wait(end.broadcast(at::zeros({4}), 0, kTag)); });
  CHECK_THAT(hung[0], Contains("broadcast of 4 Float, root 0"));
  CHECK_THAT(hung[0] + hung[1], Contains("all ranks came, but it was not done within 0.1 s"));
  CHECK(hanging.joint->aborted);
}

TEST_CASE("the abort signal and abort() end all waiting, also for the device") {
  JointRanks by_signal(2);
  by_signal.joint->hangs = true;
  const auto ended = by_signal.run([&](Communicator& end) {
    const auto work = end.broadcast(at::zeros({4}), 0, kTag);
    if (end.rank() == 1) return by_signal.signal().raise(1);
    wait(work);
  });
  CHECK_THAT(ended[0], Contains("rank 1 was lost"));

  JointRanks by_call(2);
  const auto aborted = by_call.run([&](Communicator& end) {
    if (end.rank() == 1) return end.abort("no more");
    wait(end.broadcast(at::zeros({4}), 0, kTag));
  });
  CHECK_THAT(aborted[0], Contains("no more"));
  CHECK(by_call.joint->aborted);
}

TEST_CASE("NCCL serves rank threads that have a GPU each, unless the order of sums matters") {
  const auto way = [](std::vector<int> devices, bool ordered) {
    return choose_local_way(devices, ordered);
  };
  CHECK(way({0, 1}, false).nccl);
  CHECK(way({2, 0, 1}, false).nccl);
  CHECK(way({0, 1}, true).nccl);  // of two there is one sum
  CHECK_FALSE(way({0}, false).nccl);
  CHECK(way({0}, false).why.empty());
  CHECK_FALSE(way({0, 1, 2}, true).nccl);
  CHECK_THAT(way({0, 1, 2}, true).why, Contains("in the order of ranks"));
  CHECK_FALSE(way({0, 1, 0}, false).nccl);
  CHECK_THAT(way({0, 1, 0}, false).why, Contains("share a GPU"));
}
