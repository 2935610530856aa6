// The strategy `dp`: one process, a thread for each device. Every rank computes gradients on a copy
// of the parameters; they are summed to rank 0, which alone runs the optimizer and sends the
// parameters back, unit by unit, while the next step begins (what torch.nn.DataParallel does each
// step with whole modules).
#include <ATen/Parallel.h>
#include <ATen/ops/full.h>

#include <string>
#include <utility>
#include <vector>

#include "trainhost/gradient_buckets.h"
#include "trainhost/plugin.h"
#include "trainhost/replica.h"
#include "trainhost/replicated_claims.h"
#include "trainhost/strategy.h"

namespace dp {
namespace {

using namespace trainhost;

constexpr int kRoot = 0;

/// More CPU threads for the calling thread's operations, for a scope.
class ThreadsFor {
 public:
  explicit ThreadsFor(int threads) : before_(at::get_num_threads()) {
    if (threads != before_) at::set_num_threads(threads);
  }
  ~ThreadsFor() {
    if (at::get_num_threads() != before_) at::set_num_threads(before_);
  }
  ThreadsFor(const ThreadsFor&) = delete;
  ThreadsFor& operator=(const ThreadsFor&) = delete;

 private:
  const int before_;
};

class Session : public StrategySession {
 public:
  Session(const AttachContext& context, std::int64_t bucket_bytes)
      : communicator_(context.communicator),
        device_(context.device.device()),
        root_(context.communicator.rank() == kRoot),
        root_threads_(threads_of_the_root(context)),
        sent_(context.model.units.size()),
        replica_(context, {.allocate =
                               [&](int unit) {
                                 return unit_bytes_.emplace_back(communicator_.allocate(
                                     flat_layout(context.model.units[unit]).bytes));
                               }}),
        buckets_(
            context, replica_,
            {.bucket_bytes = bucket_bytes,
             .reduce =
                 [this](std::size_t, const at::Tensor& values) {
                   return communicator_.reduce(values, kRoot, ReduceOp::kSum, Traffic::kStrategy);
                 },
             .mine = [this](std::size_t,
                            const at::Tensor& values) { return root_ ? values : at::Tensor(); }}) {}

  Lent before_unit(int unit, Pass pass) override {
    for (const int needed : replica_.needed(unit)) receive(needed);
    return replica_.lend(unit, pass);
  }
  Tensors after_unit(int, Tensors outputs, Pass) override { return outputs; }

  void begin_step(int objective, int) override { buckets_.begin_step(objective); }
  void before_backward(Backward which) override { buckets_.before_backward(which); }
  void after_backward(Backward which) override { buckets_.after_backward(which); }
  void hold(bool on) override { buckets_.hold(on); }

  StepResult step(const StepRequest& request) override {
    // A unit that this step did not run still waits for what the last one sent.
    receive_all();
    buckets_.wait();
    replica_.agree_on_touched();
    if (root_) {
      const ThreadsFor update(root_threads_);
      return told(request, replica_.update(request, [this](int unit) { send(unit); }));
    }
    replica_.clear_gradients(request.objective);
    for (int unit = 0; unit < static_cast<int>(sent_.size()); ++unit) {
      if (replica_.used_by(request.objective, unit)) send(unit);
    }
    return told(request, {});
  }

  bool abandon_step() override {
    buckets_.abandon();
    replica_.abandon();
    return true;
  }

  void full_parameters(
      bool only_rank0,
      const std::function<void(const std::string&, const at::Tensor&)>& visit) override {
    receive_all();
    if (!only_rank0 || root_) replica_.visit(visit);
  }
  std::vector<StateSlice> state(bool for_loading) override {
    receive_all();
    return replica_.state(for_loading,
                          root_ ? Replica::States::kAll : Replica::States::kWithoutOptimizer);
  }

 private:
  /// The other ranks wait while the root updates, so on a CPU it takes their threads too. Exact
  /// numerics keeps each rank's own: kernels may cut their work by the number of threads.
  static int threads_of_the_root(const AttachContext& context) {
    const int own = context.host.threads();
    const bool all = context.device.device().is_cpu() && context.numerics == Numerics::kFast;
    return all ? own * context.communicator.world() : own;
  }

  /// Only the root sees the gradients; whether they overflowed all have to know.
  StepResult told(const StepRequest& request, StepResult result) {
    if (!request.check_overflow || communicator_.world() == 1) return result;
    const at::Tensor overflow =
        at::full({1}, result.overflow ? 1 : 0, at::TensorOptions(at::kByte).device(device_));
    wait(communicator_.broadcast(overflow, kRoot, Traffic::kStrategy));
    result.overflow = overflow.item<std::uint8_t>() != 0;
    return result;
  }

  void send(int unit) {
    if (communicator_.world() == 1 || unit_bytes_[unit].numel() == 0) return;
    sent_[unit] = communicator_.broadcast(unit_bytes_[unit], kRoot, Traffic::kStrategy);
  }
  void receive(int unit) {
    trainhost::wait(sent_[unit]);
    sent_[unit].reset();
  }
  void receive_all() {
    for (int unit = 0; unit < static_cast<int>(sent_.size()); ++unit) receive(unit);
  }

  Communicator& communicator_;
  const at::Device device_;
  const bool root_;
  const int root_threads_;
  std::vector<at::Tensor> unit_bytes_;  // the parameters of each unit, in the communicator's memory
  std::vector<WorkHandle> sent_;        // the broadcast of each unit, as long as it is under way
  Replica replica_;
  GradientBuckets buckets_;
};

class Dp : public Strategy {
 public:
  Dp(Host&, const Options& options)
      : bucket_bytes_(static_cast<std::int64_t>(options.real("bucket_mb") * 1048576)) {}

  /// The root's: the other ranks have no optimizer states. Gradients travel one way, the updated
  /// parameters the other, once.
  Claims claims(const ClaimsRequest& request) const override {
    Claims claims = replicated_claims(request);
    claims.transient += bucket_copies(request);
    for (std::size_t o = 0; o < request.objectives.size(); ++o) {
      std::int64_t parameters = 0;
      for (const int unit : request.objectives[o].units) {
        parameters += flat_layout(request.model.units[unit]).bytes;
      }
      claims.traffic[o] =
          (reduced_bytes(request, o) + parameters) * (request.world - 1) / request.world;
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

TRAINHOST_STRATEGY_PLUGIN(Dp, "dp", "0.1.0", R"({
  "summary": "one process, a thread for each device; one optimizer, which sends the parameters back",
  "ranks": "threads",
  "options": [
    {"name": "bucket_mb", "type": "number", "default": 25, "exclusive_min": 0, "max": 65536,
     "help": "size at which a bucket of gradients is reduced, in MiB"}
  ]})")

}  // namespace dp
