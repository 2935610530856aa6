// DiLoCo: ranks train on their own for a round of steps, then meet (Douillard et al., "DiLoCo:
// Distributed Low-Communication Training of Language Models", arXiv:2311.08105).
//
// The inner optimizer is the recipe's; the outer one is SGD with Nesterov momentum (outer.h).
// Between steps (evaluation, hooks of the model) the model is the shared one, which is what is
// exported too. With one rank there is nobody to meet: that is plain training.
#include <ATen/ops/full.h>
#include <c10/core/GradMode.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "outer.h"
#include "trainhost/error.h"
#include "trainhost/flat_layout.h"
#include "trainhost/plugin.h"
#include "trainhost/replica.h"
#include "trainhost/replicated_claims.h"
#include "trainhost/strategy.h"

namespace diloco {
namespace {

using namespace trainhost;

void require_fp32(const ModelSpec& model) {
  for (const UnitSpec& unit : model.units) {
    for (const ParameterSpec& parameter : unit.parameters) {
      if (parameter.dtype == at::kFloat) continue;
      throw Error(Failure::kUser, {.where = "strategy 'diloco'",
                                   .what = "the parameter '" + parameter.name + "' is not in fp32",
                                   .expected = "Float",
                                   .got = c10::toString(parameter.dtype),
                                   .fix = "train with fp32 parameters (train.precision fp32, or a "
                                          "16-bit one by autocast)"});
    }
  }
}

class Session : public StrategySession {
 public:
  Session(const AttachContext& context, const OuterSettings& settings)
      : context_(context), local_(context) {
    require_fp32(context.model);
    std::vector<at::Tensor> gradients;
    for (std::size_t u = 0; u < context.model.units.size(); ++u) {
      gradients.push_back(bind(static_cast<int>(u), context.model.units[u]));
    }
    if (context.communicator.world() > 1) outer_.emplace(context, settings, local_, gradients);
  }

  Lent before_unit(int unit, Pass pass) override {
    const Lent& local = local_.lend(unit, pass);
    if (in_step_ || !outer_) return local;
    const Lent& shared = outer_->shared().lend(unit, pass);
    return {shared.parameters, local.buffers, shared.borrowed};
  }
  Tensors after_unit(int, Tensors outputs, Pass) override { return outputs; }

  void begin_step(int, int) override { in_step_ = true; }
  void before_backward(Backward) override { local_.before_backward(); }
  void after_backward(Backward which) override { local_.after_backward(which); }

  StepResult step(const StepRequest& request) override {
    local_.require_announced(request.objective);
    StepRequest own = request;
    // The rows are those of all ranks, of which each has about as many.
    own.divisor /= context_.communicator.world();
    const StepResult result = update(own);
    in_step_ = false;
    *own_steps_.mutable_data_ptr<std::int64_t>() += 1;
    if (outer_) outer_->inner_step_done(request.objective);
    return result;
  }

  bool abandon_step() override {
    local_.abandon();
    return true;
  }

  void full_parameters(
      bool only_rank0,
      const std::function<void(const std::string&, const at::Tensor&)>& visit) override {
    if (only_rank0 && context_.communicator.rank() != 0) return;
    Replica& shown = outer_ ? outer_->shared() : local_;
    for (std::size_t u = 0; u < context_.model.units.size(); ++u) {
      shown.visit_parameters(static_cast<int>(u), visit);
    }
    local_.visit_buffers(visit);
  }

  /// What differs between ranks has the rank in its name. All of it is below "optimizer/", so a
  /// checkpoint of another strategy or of fewer ranks, which lacks it, can be gone on with.
  std::vector<StateSlice> state(bool for_loading) override {
    if (!outer_) return local_.state(for_loading);
    std::vector<StateSlice> out;
    outer_->append_state(out);
    const std::string rank = "rank " + std::to_string(context_.communicator.rank());
    for (StateSlice& slice : local_.state(for_loading)) {
      if (slice.name.starts_with("parameter/")) {
        slice.name.replace(0, slice.name.find('/'), "optimizer/local/" + rank);
        slice.replicated = false;
      } else if (slice.name.starts_with("optimizer/")) {
        slice.name.insert(slice.name.find('/', sizeof("optimizer/") - 1) + 1, rank + " ");
        slice.replicated = false;
      }
      out.push_back(std::move(slice));
    }
    out.push_back({"optimizer/local/" + rank + "/steps", {1}, 0, own_steps_, false});
    return out;
  }
  void state_loaded() override {
    // A rank of which the checkpoint knows nothing begins where all were last.
    if (outer_ && *own_steps_.const_data_ptr<std::int64_t>() == 0) outer_->restart_local();
  }

 private:
  at::Tensor bind(int unit, const UnitSpec& spec) {
    if (spec.parameters.empty()) return {};
    const at::Tensor bytes = context_.communicator.allocate(flat_layout(spec).bytes);
    local_.bind_gradients(unit, bytes);
    return bytes.view(at::kFloat);
  }

  /// By this rank's own gradients. All ranks leave out a step that overflowed on one of them: the
  /// loss scale is theirs together.
  StepResult update(const StepRequest& own) {
    c10::NoGradGuard no_grad;
    std::vector<SliceGradient> gradients;
    for (Replica::Parameter& parameter : local_.parameters()) {
      const bool touched = parameter.touched && local_.used_by(own.objective, parameter.unit);
      if (touched) gradients.push_back({&parameter, parameter.gradient});
    }
    Measured measured = measure(context_, gradients, own, Held::kAll);
    if (own.check_overflow) agree_on_overflow(measured.result);
    trainhost::step(context_, gradients, own, measured);
    local_.clear_gradients(own.objective);
    return measured.result;
  }

  void agree_on_overflow(StepResult& result) {
    const at::Tensor flag = at::full({1}, result.overflow ? 1 : 0,
                                     at::TensorOptions(at::kByte).device(context_.device.device()));
    wait(context_.communicator.all_reduce(flag, ReduceOp::kMax, Traffic::kStrategy));
    result.overflow = flag.item<bool>();
  }

  const AttachContext context_;
  Replica local_;
  std::optional<Outer> outer_;  // of several ranks
  at::Tensor own_steps_ = at::full({1}, 0, at::TensorOptions(at::kLong));
  bool in_step_ = false;
};

class DiLoCo : public Strategy {
 public:
  DiLoCo(Host&, const Options& options)
      : settings_{options.integer("inner_steps"), options.real("outer_lr"),
                  options.real("outer_momentum")} {}

  Claims claims(const ClaimsRequest& request) const override {
    ClaimsRequest plain = request;
    plain.numerics = Numerics::kFast;  // micro-batches are added where they are
    plain.gradient_dtype.reset();
    Claims claims = replicated_claims(plain);
    if (request.world == 1) return claims;
    plain.micro_batches = 1;
    for (std::size_t o = 0; o < request.objectives.size(); ++o) {
      claims.traffic[o] =
          all_reduce_traffic(reduced_bytes(plain, o), request.world) / settings_.inner_steps;
    }
    for (const UnitSpec& unit : request.model.units) {
      for (const ParameterSpec& parameter : unit.parameters) {
        if (parameter.requires_grad) claims.optimizer += byte_count(parameter);  // momentum
      }
    }
    claims.parameters *= 2;
    claims.padding += claims.padding / 2;
    return claims;
  }

  std::unique_ptr<StrategySession> attach(const AttachContext& context) override {
    return std::make_unique<Session>(context, settings_);
  }

 private:
  const OuterSettings settings_;
};

}  // namespace

TRAINHOST_STRATEGY_PLUGIN(DiLoCo, "org.example.diloco", "1.0.0", R"json({
  "summary": "ranks train on their own and meet once a round (DiLoCo, local SGD)",
  "exact": false,
  "options": [
    {"name": "inner_steps", "type": "int", "default": 50, "min": 1, "max": 1000000,
     "help": "steps of an objective between two meetings"},
    {"name": "outer_lr", "type": "number", "default": 0.7, "exclusive_min": 0, "max": 10,
     "help": "of the step that a round's mean change is taken for; 1 without momentum: local SGD"},
    {"name": "outer_momentum", "type": "number", "default": 0.9, "min": 0, "max": 0.999,
     "help": "Nesterov momentum of that step"}
  ]})json")

}  // namespace diloco
