// A strategy to copy: synchronous data parallelism in its plainest form.
//
// Every rank keeps a whole copy of the model (Replica), gradients are summed over the ranks when
// backward has ended, unit by unit, and every rank makes the same update. What `ddp` does besides
// is to begin while backward still runs. To make it yours: change id, class and `step`, then see
// what `trainhost prove` says.
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <memory>
#include <string>
#include <vector>

#include "trainhost/flat_layout.h"
#include "trainhost/plugin.h"
#include "trainhost/replica.h"
#include "trainhost/replicated_claims.h"
#include "trainhost/strategy.h"

namespace my_strategy {
namespace {

using namespace trainhost;

/// One rank's end of it.
class Session : public StrategySession {
 public:
  explicit Session(const AttachContext& context)
      : communicator_(context.communicator),
        exact_(context.numerics == Numerics::kExact),
        replica_(context) {
    for (std::size_t u = 0; u < context.model.units.size(); ++u) {
      add_unit(static_cast<int>(u), context.model.units[u]);
    }
  }

  // Everything is here all the time, so a unit needs nothing done around it.
  Lent before_unit(int unit, Pass pass) override { return replica_.lend(unit, pass); }
  Tensors after_unit(int, Tensors outputs, Pass) override { return outputs; }

  void begin_step(int objective, int) override { objective_ = objective; }
  void before_backward(Backward) override { replica_.before_backward(); }
  void after_backward(Backward which) override {
    replica_.after_backward(which);
    // Autograd adds micro-batches up, so one reduction at the end of the step is enough. Exact
    // numerics wants each micro-batch reduced by itself: then all strategies add in one order.
    const bool last = which == Backward::kLastOfStep;
    if (!last && !(exact_ && which == Backward::kLastOfBatch)) return;
    sum_over_ranks();
    if (exact_) add_micro_batch(last);
  }

  StepResult step(const StepRequest& request) override {
    // A parameter without a gradient here may have one on another rank; without one anywhere it is
    // left alone. The update divides by request.divisor: losses are sums.
    replica_.agree_on_touched();
    return replica_.update(request);
  }

  // Memory ran out: the step begins anew, with smaller micro-batches.
  bool abandon_step() override {
    replica_.abandon();
    for (const Gradients& gradients : gradients_) {
      if (gradients.sum.defined()) gradients.sum.zero_();
    }
    return true;
  }

  void full_parameters(
      bool only_rank0,
      const std::function<void(const std::string&, const at::Tensor&)>& visit) override {
    if (!only_rank0 || communicator_.rank() == 0) replica_.visit(visit);
  }
  std::vector<StateSlice> state(bool for_loading) override { return replica_.state(for_loading); }

 private:
  struct Gradients {
    at::Tensor values;  // flat, in the communicator's memory, which it reduces without a copy
    at::Tensor sum;     // exact numerics: the micro-batches reduced so far
  };

  void add_unit(int unit, const UnitSpec& spec) {
    Gradients& gradients = gradients_.emplace_back();
    if (spec.parameters.empty()) return;
    const at::Tensor bytes = communicator_.allocate(flat_layout(spec).bytes);
    replica_.bind_gradients(unit, bytes);
    gradients.values = bytes.view(spec.parameters.front().dtype);
    if (exact_) gradients.sum = at::zeros_like(gradients.values);
  }

  /// Calls `function` for the units of this step's objective: the others have no gradients.
  template <class Function>
  void for_each_unit(Function&& function) {
    for (std::size_t u = 0; u < gradients_.size(); ++u) {
      const bool used = replica_.used_by(objective_, static_cast<int>(u));
      if (used && gradients_[u].values.defined()) function(gradients_[u]);
    }
  }

  void sum_over_ranks() {
    std::vector<WorkHandle> under_way;
    for_each_unit([&](Gradients& unit) {
      under_way.push_back(
          communicator_.all_reduce(unit.values, ReduceOp::kSum, Traffic::kStrategy));
    });
    for (const WorkHandle& work : under_way) wait(work);
  }

  void add_micro_batch(bool last) {
    c10::NoGradGuard no_grad;
    for_each_unit([&](Gradients& unit) {
      unit.sum.add_(unit.values);
      unit.values.zero_();
      if (!last) return;
      unit.values.copy_(unit.sum);
      unit.sum.zero_();
    });
  }

  Communicator& communicator_;
  const bool exact_;
  Replica replica_;
  std::vector<Gradients> gradients_;  // by unit
  int objective_ = 0;
};

class MyStrategy : public Strategy {
 public:
  MyStrategy(Host&, const Options&) {}

  // What a run will cost, before it: `trainhost describe` shows it, and `--measure` holds it
  // against a run.
  Claims claims(const ClaimsRequest& request) const override {
    Claims claims = replicated_claims(request);
    ClaimsRequest own_type = request;
    own_type.gradient_dtype.reset();  // this strategy sends gradients as they are
    for (std::size_t o = 0; o < request.objectives.size(); ++o) {
      claims.traffic[o] = all_reduce_traffic(reduced_bytes(own_type, o), request.world);
    }
    return claims;
  }

  std::unique_ptr<StrategySession> attach(const AttachContext& context) override {
    return std::make_unique<Session>(context);
  }
};

}  // namespace

TRAINHOST_STRATEGY_PLUGIN(MyStrategy, "org.example.my_strategy", "0.1.0", R"json({
  "summary": "a whole copy on every device; gradients are summed after backward",
  "options": []})json")

}  // namespace my_strategy
