// The strategy `ddp`: every rank holds a whole copy; gradients are summed over the ranks in buckets
// while backward still runs (Li et al., "PyTorch Distributed", VLDB 2020, section 3.2).
#include <ATen/ops/zeros.h>

#include "buckets.h"
#include "trainhost/plugin.h"
#include "trainhost/replica.h"
#include "trainhost/replicated_claims.h"
#include "trainhost/strategy.h"

namespace ddp {
namespace {

using namespace trainhost;

class Session : public StrategySession {
 public:
  Session(const AttachContext& context, std::int64_t bucket_bytes)
      : communicator_(context.communicator),
        exact_(context.numerics == Numerics::kExact),
        replica_(context),
        buckets_(context, replica_, bucket_bytes) {}

  Lent before_unit(int unit, bool) override { return replica_.lend(unit); }
  Tensors after_unit(int, Tensors outputs, bool) override { return outputs; }

  void begin_step(int objective, int) override { buckets_.begin_step(objective); }
  void before_backward(bool last_of_batch, bool last_of_step) override {
    if (exact_ ? last_of_batch : last_of_step) buckets_.reduce_as_they_fill();
  }
  void after_backward(bool last_of_batch, bool last_of_step) override {
    if (exact_ ? last_of_batch : last_of_step) buckets_.reduce_the_rest();
    if (exact_ && last_of_batch) buckets_.add_to_sum(last_of_step);
  }

  StepResult step(const StepRequest& request) override {
    buckets_.wait();
    agree_on_touched();
    return replica_.update(request);
  }

  void discard_step() override {
    buckets_.wait();
    agree_on_touched();
    replica_.clear_gradients(buckets_.objective());
  }

  void full_parameters(
      bool only_rank0,
      const std::function<void(const std::string&, const at::Tensor&)>& visit) override {
    if (!only_rank0 || communicator_.rank() == 0) replica_.visit(visit);
  }
  std::vector<StateSlice> state(bool for_loading) override { return replica_.state(for_loading); }

 private:
  /// A parameter that has a gradient on any rank is updated on all of them. [collective]
  void agree_on_touched() {
    if (communicator_.world() == 1) return;
    auto& parameters = replica_.parameters();
    at::Tensor flags =
        at::zeros({static_cast<std::int64_t>(parameters.size())}, at::TensorOptions(at::kByte));
    std::uint8_t* flag = flags.mutable_data_ptr<std::uint8_t>();
    for (std::size_t p = 0; p < parameters.size(); ++p) flag[p] = parameters[p].touched ? 1 : 0;
    const at::Tensor agreed = flags.to(parameters.front().flat.device());
    wait(communicator_.all_reduce(agreed, ReduceOp::kMax, Traffic::kStrategy));
    if (!agreed.is_alias_of(flags)) flags.copy_(agreed);
    for (std::size_t p = 0; p < parameters.size(); ++p) parameters[p].touched = flag[p] != 0;
  }

  Communicator& communicator_;
  const bool exact_;
  Replica replica_;
  Buckets buckets_;
};

class Ddp : public Strategy {
 public:
  Ddp(Host&, const Options& options)
      : bucket_bytes_(static_cast<std::int64_t>(options.real("bucket_mb") * 1048576)) {}

  Claims claims(const ModelSpec& model, const std::vector<ObjectiveSpec>& objectives,
                const Optimizer& optimizer, int world) const override {
    Claims claims = replicated_claims(model, objectives, optimizer);
    for (std::size_t o = 0; o < objectives.size(); ++o) {
      std::int64_t bytes = 0;
      for (const int unit : objectives[o].units) bytes += flat_layout(model.units[unit]).bytes;
      claims.traffic[o] = 2 * bytes * (world - 1) / world;
    }
    return claims;
  }

  std::unique_ptr<StrategySession> attach(const AttachContext& context) override {
    return std::make_unique<Session>(context, bucket_bytes_);
  }

 private:
  const std::int64_t bucket_bytes_;
};

}  // namespace

TRAINHOST_STRATEGY_PLUGIN(Ddp, "ddp", "0.1.0", R"({
  "summary": "a whole copy on every device; gradients are summed in buckets during backward",
  "options": [
    {"name": "bucket_mb", "type": "number", "default": 25, "exclusive_min": 0, "max": 65536,
     "help": "size at which a bucket of gradients is reduced, in MiB"}
  ]})")

}  // namespace ddp
