// The strategy `ddp`: every rank holds a whole copy; gradients are summed over the ranks in buckets
// while backward still runs (Li et al., "PyTorch Distributed", VLDB 2020, section 3.2).
#include "trainhost/gradient_buckets.h"
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
        replica_(context),
        buckets_(
            context, replica_,
            {.bucket_bytes = bucket_bytes, .reduce = [this](std::size_t, const at::Tensor& values) {
               return communicator_.all_reduce(values, ReduceOp::kSum, Traffic::kStrategy);
             }}) {}

  Lent before_unit(int unit, Pass pass) override { return replica_.lend(unit, pass); }
  Tensors after_unit(int, Tensors outputs, Pass) override { return outputs; }

  void begin_step(int objective, int) override { buckets_.begin_step(objective); }
  void before_backward(Backward which) override { buckets_.before_backward(which); }
  void after_backward(Backward which) override { buckets_.after_backward(which); }
  void hold(bool on) override { buckets_.hold(on); }

  StepResult step(const StepRequest& request) override {
    buckets_.wait();
    replica_.agree_on_touched();
    return replica_.update(request);
  }

  bool abandon_step() override {
    buckets_.abandon();
    replica_.abandon();
    return true;
  }

  void full_parameters(
      bool only_rank0,
      const std::function<void(const std::string&, const at::Tensor&)>& visit) override {
    if (!only_rank0 || communicator_.rank() == 0) replica_.visit(visit);
  }
  std::vector<StateSlice> state(bool for_loading) override { return replica_.state(for_loading); }

 private:
  Communicator& communicator_;
  Replica replica_;
  GradientBuckets buckets_;
};

class Ddp : public Strategy {
 public:
  Ddp(Host&, const Options& options)
      : bucket_bytes_(static_cast<std::int64_t>(options.real("bucket_mb") * 1048576)) {}

  Claims claims(const ClaimsRequest& request) const override {
    Claims claims = replicated_claims(request);
    claims.transient += bucket_copies(request);
    for (std::size_t o = 0; o < request.objectives.size(); ++o) {
      claims.traffic[o] = all_reduce_traffic(reduced_bytes(request, o), request.world);
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
