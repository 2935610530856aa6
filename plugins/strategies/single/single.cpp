// The strategy `single`: one device, one whole copy of everything, no communication.
//
// With virtual_ranks = N it works as N ranks would, as threads that share the device and the
// parameters: the batch is cut as for N devices, and gradients are summed in rank order.
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <utility>

#include "trainhost/plugin.h"
#include "trainhost/replica.h"
#include "trainhost/replicated_claims.h"
#include "trainhost/strategy.h"
#include "virtual_ranks.h"

namespace single {
namespace {

using namespace trainhost;

/// A dense gradient is autograd's own tensor, handed over without a copy. One that may come as
/// rows needs a dense buffer to come into.
bool needs_buffer(const UnitSpec& unit) {
  return std::ranges::any_of(unit.parameters, &ParameterSpec::row_sparse);
}

at::Tensor gradient_bytes(const AttachContext& context, std::size_t unit) {
  return at::zeros({flat_layout(context.model.units[unit]).bytes},
                   at::TensorOptions(at::kByte).device(context.device.device()));
}

/// One rank.
class Session : public StrategySession {
 public:
  explicit Session(const AttachContext& context) : replica_(context) {
    for (std::size_t u = 0; u < context.model.units.size(); ++u) {
      if (!needs_buffer(context.model.units[u])) continue;
      replica_.bind_gradients(static_cast<int>(u), gradient_bytes(context, u));
    }
  }

  Lent before_unit(int unit, Pass pass) override { return replica_.lend(unit, pass); }
  Tensors after_unit(int, Tensors outputs, Pass) override { return outputs; }
  void begin_step(int, int) override {}
  void before_backward(Backward) override {}
  void after_backward(Backward) override {}
  StepResult step(const StepRequest& request) override { return replica_.update(request); }
  bool abandon_step() override {
    replica_.abandon();
    return true;
  }
  void full_parameters(
      bool, const std::function<void(const std::string&, const at::Tensor&)>& visit) override {
    replica_.visit(visit);
  }
  std::vector<StateSlice> state(bool for_loading) override { return replica_.state(for_loading); }

 private:
  Replica replica_;
};

/// One of several ranks, or one whose micro-batches are to be summed as several would.
class VirtualSession : public StrategySession {
 public:
  VirtualSession(const AttachContext& context, std::shared_ptr<VirtualRanks> ranks)
      : communicator_(context.communicator),
        first_(context.communicator.rank() == 0),
        ranks_(std::move(ranks)),
        replica_(context, {.same_parameters_as = first_ ? nullptr : ranks_->first()}) {
    for (std::size_t u = 0; u < context.model.units.size(); ++u) {
      replica_.bind_gradients(static_cast<int>(u), gradient_bytes(context, u));
    }
    ranks_->enter(communicator_.rank(), replica_);
  }

  Lent before_unit(int unit, Pass pass) override { return replica_.lend(unit, pass); }
  Tensors after_unit(int, Tensors outputs, Pass) override { return outputs; }
  void begin_step(int objective, int) override { objective_ = objective; }
  void before_backward(Backward) override { replica_.before_backward(); }
  void after_backward(Backward which) override {
    replica_.after_backward(which);
    if (which == Backward::kPart) return;
    wait_for_all();
    if (first_) ranks_->sum(objective_, which == Backward::kLastOfStep);
    wait_for_all();
  }
  StepResult step(const StepRequest& request) override {
    if (first_) ranks_->result = replica_.update(request);
    wait_for_all();
    const StepResult result = ranks_->result;
    wait_for_all();
    return result;
  }
  bool abandon_step() override {
    replica_.abandon();
    if (first_) ranks_->forget();
    return true;
  }
  void full_parameters(
      bool only_rank0,
      const std::function<void(const std::string&, const at::Tensor&)>& visit) override {
    if (!only_rank0 || first_) replica_.visit(visit);
  }
  std::vector<StateSlice> state(bool for_loading) override {
    std::vector<StateSlice> state = replica_.state(
        for_loading, first_ ? Replica::States::kAll : Replica::States::kWithoutOptimizer);
    // The parameters are rank 0's: two threads must not load them at once.
    if (!first_) {
      std::erase_if(state,
                    [](const StateSlice& slice) { return slice.name.starts_with("parameter/"); });
    }
    return state;
  }
  void state_loaded() override { wait_for_all(); }

 private:
  void wait_for_all() { communicator_.barrier(Traffic::kStrategy); }

  Communicator& communicator_;
  const bool first_;
  const std::shared_ptr<VirtualRanks> ranks_;  // every rank's session refers to it
  Replica replica_;
  int objective_ = 0;
};

class Single : public Strategy {
 public:
  Single(Host&, const Options& options)
      : virtual_ranks_(static_cast<int>(options.integer("virtual_ranks"))) {}

  /// Of the device, also where virtual ranks share it.
  Claims claims(const ClaimsRequest& request) const override {
    Claims claims = replicated_claims(request);
    const bool is_virtual = virtual_ranks_ > 1 || request.numerics == Numerics::kExact;
    claims.gradients = is_virtual ? virtual_gradients(request.model) : own_gradients(request);
    return claims;
  }

  std::unique_ptr<StrategySession> attach(const AttachContext& context) override {
    const int world = context.communicator.world();
    if (world != virtual_ranks_) {
      throw Error(Failure::kUser, {.where = "strategy 'single'",
                                   .what = "works on one device",
                                   .expected = std::to_string(virtual_ranks_) + " ranks on it",
                                   .got = std::to_string(world) + " ranks",
                                   .fix = "use devices=1, or strategy=ddp"});
    }
    if (world == 1 && context.numerics == Numerics::kFast) {
      return std::make_unique<Session>(context);
    }
    return attach_virtual(context);
  }

 private:
  /// Each rank's, and their sum.
  std::int64_t virtual_gradients(const ModelSpec& model) const {
    std::int64_t bytes = 0;
    for (const UnitSpec& unit : model.units) bytes += flat_layout(unit).bytes;
    return (virtual_ranks_ + 1) * bytes;
  }

  /// The dense buffers, and autograd's own tensors of the objective that makes most.
  static std::int64_t own_gradients(const ClaimsRequest& request) {
    std::int64_t buffers = 0, most = 0;
    for (const UnitSpec& unit : request.model.units) {
      if (needs_buffer(unit)) buffers += flat_layout(unit).bytes;
    }
    for (const ObjectiveSpec& objective : request.objectives) {
      std::int64_t bytes = 0;
      for (const int index : objective.units) {
        const UnitSpec& unit = request.model.units[index];
        if (needs_buffer(unit)) continue;
        for (const ParameterSpec& parameter : unit.parameters) {
          bytes += parameter.requires_grad ? byte_count(parameter) : 0;
        }
      }
      most = std::max(most, bytes);
    }
    return buffers + most;
  }

  std::unique_ptr<StrategySession> attach_virtual(const AttachContext& context) {
    std::unique_ptr<StrategySession> session;
    if (context.communicator.rank() == 0) {
      const std::lock_guard lock(mutex_);
      ranks_ = std::make_shared<VirtualRanks>(context.communicator.world(), context.gradient_dtype);
      session = std::make_unique<VirtualSession>(context, ranks_);
    }
    context.communicator.barrier(Traffic::kStrategy);
    if (session == nullptr) {
      const std::lock_guard lock(mutex_);
      session = std::make_unique<VirtualSession>(context, ranks_);
    }
    context.communicator.barrier(Traffic::kStrategy);
    return session;
  }

  const int virtual_ranks_;
  std::mutex mutex_;
  // State below is protected by mutex_.
  std::shared_ptr<VirtualRanks> ranks_;
};

}  // namespace

TRAINHOST_STRATEGY_PLUGIN(Single, "single", "0.1.0", R"({
  "summary": "one device, no communication",
  "ranks": "threads",
  "ranks_option": "virtual_ranks",
  "options": [
    {"name": "virtual_ranks", "type": "int", "default": 1, "min": 1, "max": 1024,
     "help": "work as so many devices would, on one: the same numbers, in their time one by one"}
  ]})")

}  // namespace single
