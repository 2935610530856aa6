// Data parallelism with a fault on purpose, for `prove` and `check-plugin` to find.
#include "trainhost/strategy.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "trainhost/gradient_buckets.h"
#include "trainhost/plugin.h"
#include "trainhost/replica.h"
#include "trainhost/replicated_claims.h"

namespace broken {
namespace {

using namespace trainhost;

class Session : public StrategySession {
 public:
  Session(const AttachContext& context, std::string fault)
      : fault_(std::move(fault)),
        communicator_(context.communicator),
        replica_(context),
        // A bucket for each unit.
        buckets_(context, replica_,
                 {.bucket_bytes = 1, .reduce = [this](std::size_t, const at::Tensor& bucket) {
                    return reduce(bucket);
                  }}) {
    if (fault_ == "leak in sessions") {
      constexpr std::size_t kLost = 64 << 10;
      // Volatile: an allocation that nobody reads may be left out by the compiler.
      volatile char* const lost = std::make_unique<char[]>(kLost).release();
      for (std::size_t i = 0; i < kLost; ++i) lost[i] = 1;
    }
  }

  Lent before_unit(int unit, Pass pass) override { return replica_.lend(unit, pass); }
  Tensors after_unit(int, Tensors outputs, Pass) override { return outputs; }
  void begin_step(int objective, int micro_batches) override {
    micro_batches_ = micro_batches;
    buckets_.begin_step(objective);
  }
  void before_backward(Backward which) override { buckets_.before_backward(which); }
  void after_backward(Backward which) override { buckets_.after_backward(which); }
  void hold(bool on) override { buckets_.hold(on); }
  StepResult step(const StepRequest& request) override {
    buckets_.wait();
    if (fault_ != "no agreement") replica_.agree_on_touched();
    if (fault_ == "order") say_something_in_an_own_order();
    if (fault_ == "stale gradient") take_the_last_one(request.objective);
    if (fault_ == "leak in steps") lost_.push_back(at::zeros({1024}));
    StepRequest used = request;
    if (fault_ == "no division") used.divisor = 1;
    if (fault_ == "mean of micro-batches") used.divisor *= micro_batches_;
    if (fault_ == "equal ranks") {
      used.divisor = std::ceil(used.divisor / communicator_.world()) * communicator_.world();
    }
    return replica_.update(used);
  }
  void full_parameters(
      bool only_rank0,
      const std::function<void(const std::string&, const at::Tensor&)>& visit) override {
    if (!only_rank0 || communicator_.rank() == 0) replica_.visit(visit);
  }
  std::vector<StateSlice> state(bool for_loading) override {
    std::vector<StateSlice> state = replica_.state(for_loading);
    if (fault_ == "lost state" && for_loading) {
      std::erase_if(state, [](const StateSlice& slice) {
        return slice.name.find("/exp_avg_sq/") != std::string::npos;
      });
    }
    return state;
  }

 private:
  WorkHandle reduce(const at::Tensor& bucket) {
    // Buckets are formed from the back, so the last one begins with the first unit.
    const at::Tensor& first = replica_.parameters_of(0).front()->gradient;
    if (fault_ == "last bucket" && bucket.data_ptr() == first.data_ptr()) return nullptr;
    return communicator_.all_reduce(bucket, ReduceOp::kSum, Traffic::kStrategy);
  }

  void say_something_in_an_own_order() {
    if (communicator_.world() == 1) return;
    const at::Tensor word = at::zeros({1});
    for (int turn = 0; turn < 2; ++turn) {
      if ((communicator_.rank() + turn) % 2 == 0) {
        wait(communicator_.all_reduce(word, ReduceOp::kSum, Traffic::kStrategy));
      } else {
        wait(communicator_.broadcast(word, 0, Traffic::kStrategy));
      }
    }
  }

  void take_the_last_one(int objective) {
    c10::NoGradGuard no_grad;
    Replica::Parameter& parameter = *replica_.parameters_of(0).front();
    at::Tensor now = parameter.gradient.clone();
    at::Tensor& before = before_[objective];
    if (before.defined()) parameter.gradient.copy_(before);
    before = std::move(now);
  }

  const std::string fault_;
  Communicator& communicator_;
  Replica replica_;
  GradientBuckets buckets_;
  int micro_batches_ = 1;
  std::map<int, at::Tensor> before_;
  std::vector<at::Tensor> lost_;
};

class Broken : public Strategy {
 public:
  Broken(Host&, const Options& options) : fault_(options.text("fault")) {}

  Claims claims(const ClaimsRequest& request) const override {
    Claims claims = replicated_claims(request);
    claims.transient += bucket_copies(request);
    for (std::size_t o = 0; o < request.objectives.size(); ++o) {
      claims.traffic[o] = all_reduce_traffic(reduced_bytes(request, o), request.world);
      if (fault_ == "wrong traffic") claims.traffic[o] /= 2;
    }
    if (fault_ == "wrong memory") claims.optimizer /= 2;
    return claims;
  }
  std::unique_ptr<StrategySession> attach(const AttachContext& context) override {
    return std::make_unique<Session>(context, fault_);
  }

 private:
  const std::string fault_;
};

}  // namespace

TRAINHOST_STRATEGY_PLUGIN(Broken, "broken", "1.0.0", R"({
  "summary": "for tests: data parallelism with a fault",
  "options": [{"name": "fault", "type": "string", "default": "none",
               "one_of": ["none", "no division", "last bucket", "stale gradient", "order",
                          "no agreement", "mean of micro-batches", "equal ranks", "lost state",
                          "wrong traffic", "wrong memory", "leak in steps",
                          "leak in sessions"]}]})")

}  // namespace broken
