// A strategy for tests: another strategy, whose collectives are counted. Rank 0 logs after each
// step how many bytes it gave to all_reduce of the others' making ("counted: …").
#include <dlfcn.h>

#include <memory>
#include <string>

#include "forwarding_communicator.h"
#include "trainhost/plugin.h"
#include "trainhost/strategy.h"

namespace counting {
namespace {

using namespace trainhost;

struct Counts {
  std::int64_t reductions = 0, elements = 0;
};

class CountingCommunicator : public testing::ForwardingCommunicator {
 public:
  using ForwardingCommunicator::ForwardingCommunicator;

  Counts take() { return std::exchange(counts_, Counts{}); }

  WorkHandle all_reduce(at::Tensor data, ReduceOp op, Traffic tag) override {
    if (op == ReduceOp::kSum) {
      ++counts_.reductions;
      counts_.elements += data.numel();
    }
    return ForwardingCommunicator::all_reduce(std::move(data), op, tag);
  }

 private:
  Counts counts_;
};

class Session : public StrategySession {
 public:
  Session(const AttachContext& context, Strategy& strategy)
      : host_(context.host), communicator_(context.communicator) {
    inner_ = strategy.attach({context.host, context.model, context.objectives, context.device,
                              communicator_, context.optimizer, context.numerics,
                              context.gradient_dtype, context.make_communicator});
  }

  Lent before_unit(int unit, Pass pass) override { return inner_->before_unit(unit, pass); }
  Tensors after_unit(int unit, Tensors outputs, Pass pass) override {
    return inner_->after_unit(unit, std::move(outputs), pass);
  }
  void begin_step(int objective, int micro_batches) override {
    inner_->begin_step(objective, micro_batches);
    backwards_ = 0;
  }
  void read_rows(std::span<const RowRead> rows) override { inner_->read_rows(rows); }
  void before_backward(Backward which) override {
    ++backwards_;
    inner_->before_backward(which);
  }
  void after_backward(Backward which) override { inner_->after_backward(which); }
  void hold(bool on) override { inner_->hold(on); }
  StepResult step(const StepRequest& request) override {
    const StepResult result = inner_->step(request);
    const Counts counts = communicator_.take();
    if (host_.rank() > 0) return result;
    host_.log(Host::Level::kInfo, "counted: " + std::to_string(backwards_) + " backwards, " +
                                      std::to_string(counts.reductions) + " reductions, " +
                                      std::to_string(counts.elements) + " elements");
    return result;
  }
  void full_parameters(
      bool only_rank0,
      const std::function<void(const std::string&, const at::Tensor&)>& visit) override {
    inner_->full_parameters(only_rank0, visit);
  }
  std::vector<StateSlice> state(bool for_loading) override { return inner_->state(for_loading); }
  void state_loaded() override { inner_->state_loaded(); }

 private:
  Host& host_;
  CountingCommunicator communicator_;
  std::unique_ptr<StrategySession> inner_;
  int backwards_ = 0;
};

class Counting : public Strategy {
 public:
  Counting(Host& host, const Options& options) {
    void* file = ::dlopen(TRAINHOST_COUNTED_STRATEGY, RTLD_NOW | RTLD_LOCAL);
    const auto* descriptor =
        file == nullptr ? nullptr
                        : static_cast<const PluginDescriptor*>(::dlsym(file, kPluginSymbol));
    if (descriptor == nullptr) {
      throw Error(Failure::kPlugin, {.where = TRAINHOST_COUNTED_STRATEGY,
                                     .what = "cannot be loaded",
                                     .got = std::string(::dlerror())});
    }
    inner_.reset(static_cast<Strategy*>(descriptor->create(host, &options, nullptr)));
  }

  Claims claims(const ClaimsRequest& request) const override { return inner_->claims(request); }
  std::unique_ptr<StrategySession> attach(const AttachContext& context) override {
    return std::make_unique<Session>(context, *inner_);
  }

 private:
  std::unique_ptr<Strategy> inner_;
};

}  // namespace

TRAINHOST_STRATEGY_PLUGIN(Counting, "counting", "1.0.0", R"({
  "summary": "ddp, with its reductions counted; for tests",
  "options": [{"name": "bucket_mb", "type": "number", "default": 25, "exclusive_min": 0}]})")

}  // namespace counting
