// The strategy `single`: one device, one whole copy of everything, no communication.
#include <ATen/ops/zeros.h>

#include "trainhost/plugin.h"
#include "trainhost/replica.h"
#include "trainhost/replicated_claims.h"
#include "trainhost/strategy.h"

namespace single {
namespace {

using namespace trainhost;

class Session : public StrategySession {
 public:
  explicit Session(const AttachContext& context) : replica_(context), device_(context.device) {
    // A dense gradient is autograd's own tensor, handed over without a copy. One that may come as
    // rows needs a dense buffer to come into.
    for (std::size_t u = 0; u < context.model.units.size(); ++u) {
      const UnitSpec& unit = context.model.units[u];
      for (const ParameterSpec& parameter : unit.parameters) {
        if (!parameter.row_sparse) continue;
        replica_.bind_gradients(static_cast<int>(u),
                                at::zeros({flat_layout(unit).bytes},
                                          at::TensorOptions(at::kByte).device(device_.device())));
        break;
      }
    }
  }

  Lent before_unit(int unit, bool) override { return replica_.lend(unit); }
  Tensors after_unit(int, Tensors outputs, bool) override { return outputs; }
  void begin_step(int objective, int) override { objective_ = objective; }
  void before_backward(bool, bool) override {}
  void after_backward(bool, bool) override {}
  StepResult step(const StepRequest& request) override { return replica_.update(request); }
  void discard_step() override { replica_.clear_gradients(objective_); }
  void full_parameters(
      bool, const std::function<void(const std::string&, const at::Tensor&)>& visit) override {
    replica_.visit(visit);
  }
  std::vector<StateSlice> state(bool for_loading) override { return replica_.state(for_loading); }

 private:
  Replica replica_;
  DeviceSession& device_;
  int objective_ = 0;
};

class Single : public Strategy {
 public:
  Single(Host&, const Options&) {}

  Claims claims(const ModelSpec& model, const std::vector<ObjectiveSpec>& objectives,
                const Optimizer& optimizer, int) const override {
    return replicated_claims(model, objectives, optimizer);
  }

  std::unique_ptr<StrategySession> attach(const AttachContext& context) override {
    if (context.communicator.world() != 1) {
      throw Error(Failure::kUser, {.where = "strategy 'single'",
                                   .what = "works on one device",
                                   .expected = "1 rank",
                                   .got = std::to_string(context.communicator.world()) + " ranks",
                                   .fix = "use devices=1, or strategy=ddp"});
    }
    return std::make_unique<Session>(context);
  }
};

}  // namespace

TRAINHOST_STRATEGY_PLUGIN(Single, "single", "0.1.0",
                          R"({"summary": "one device, no communication", "options": []})")

}  // namespace single
