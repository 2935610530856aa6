#include "session.h"

#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "gather_order.h"
#include "gradient_shards.h"
#include "offload.h"
#include "parameter_store.h"
#include "shards.h"
#include "trainhost/gradient_buckets.h"
#include "trainhost/replica.h"

namespace zero {
namespace {

using namespace trainhost;

/// What the stages share: parameters in buckets, of which this rank updates its part.
class Session : public StrategySession {
 public:
  Session(const AttachContext& context, const Settings& settings)
      : context_(context),
        layouts_(shard_layouts(context.model, context.objectives, settings.bucket_bytes,
                               context.communicator.world())),
        offload_(settings, context.device.device()),
        gathers_(context.make_communicator("parameters")),
        store_(context, layouts_, *gathers_, {settings.resident_parameters, offload_.parameters()}),
        replica_(context, {.allocate = [this](int unit) { return store_.allocate(unit); },
                           .initialised = [this](int unit) { store_.initialised(unit); }}),
        shards_(context, layouts_, replica_, offload_,
                [this](std::size_t b) { return store_.mine(b); }) {}

  Lent before_unit(int unit, Pass pass) override {
    for (const int needed : replica_.needed(unit)) {
      if (store_.acquire(needed)) gathered(needed);
    }
    return replica_.lend(unit, pass);
  }
  Tensors after_unit(int unit, Tensors outputs, Pass) override {
    for (const int needed : replica_.needed(unit)) store_.release(needed);
    return outputs;
  }

  StepResult step(const StepRequest& request) override {
    // Units that this step did not run may still be on their way from the last one.
    store_.wait();
    end_pass();
    finish_gradients();
    replica_.agree_on_touched();
    replica_.require_announced(request.objective);
    const StepResult result = shards_.update(
        request, [this](std::size_t b) { return gradient(b); },
        [this](std::size_t b) { store_.updated(b); });
    replica_.clear_gradients(request.objective);
    return result;
  }

  bool abandon_step() override {
    abandon_gradients();
    store_.release_all();
    replica_.abandon();
    return true;
  }

  void full_parameters(bool only_rank0, const Replica::Visit& visit) override {
    end_pass();
    const bool visits = !only_rank0 || context_.communicator.rank() == 0;
    for (int unit = 0; unit < static_cast<int>(context_.model.units.size()); ++unit) {
      store_.acquire(unit);
      if (visits) replica_.visit_parameters(unit, visit);
      store_.release(unit);
    }
    if (visits) replica_.visit_buffers(visit);
  }

  std::vector<StateSlice> state(bool for_loading) override {
    store_.wait();
    end_pass();
    // What goes between the device and host memory may be under way.
    context_.device.synchronize();
    std::vector<StateSlice> out;
    shards_.append_state(for_loading, out);
    replica_.append_buffers(out);
    return out;
  }
  void state_loaded() override {
    for (std::size_t b = 0; b < layouts_.size(); ++b) store_.updated(b);
  }

 protected:
  virtual void finish_gradients() {}
  virtual void abandon_gradients() = 0;
  virtual at::Tensor gradient(std::size_t bucket) = 0;
  /// For a unit that is to run, which was not there.  [collective]
  virtual void gathered(int /*unit*/) {}
  /// Other units than those that ran last come next, or parameters change.  [collective]
  virtual void end_pass() {}

  ParameterStore& store() { return store_; }
  Replica& replica() { return replica_; }
  Offload& offload() { return offload_; }
  const std::vector<ShardLayout>& layouts() const { return layouts_; }

 private:
  const AttachContext context_;
  const std::vector<ShardLayout> layouts_;
  Offload offload_;
  const std::unique_ptr<Communicator> gathers_;
  ParameterStore store_;
  Replica replica_;
  Shards shards_;
};

/// Gradients whole on every rank, of which each reduces its part.
class Stage1 : public Session {
 public:
  Stage1(const AttachContext& context, const Settings& settings)
      : Session(context, settings),
        communicator_(context.communicator),
        buckets_(
            context, replica(),
            {.bucket_bytes = settings.bucket_bytes,
             .reduce =
                 [this](std::size_t b, const at::Tensor& values) {
                   return communicator_.reduce_scatter(part(b, values), values, layouts()[b].counts,
                                                       ReduceOp::kSum, Traffic::kStrategy);
                 },
             .mine = [this](std::size_t b, const at::Tensor& values) { return part(b, values); }}) {
  }

  void begin_step(int objective, int) override { buckets_.begin_step(objective); }
  void before_backward(Backward which) override { buckets_.before_backward(which); }
  void after_backward(Backward which) override { buckets_.after_backward(which); }
  void hold(bool on) override { buckets_.hold(on); }

 protected:
  void finish_gradients() override { buckets_.wait(); }
  void abandon_gradients() override { buckets_.abandon(); }
  at::Tensor gradient(std::size_t bucket) override { return buckets_.mine(bucket); }

 private:
  at::Tensor part(std::size_t bucket, const at::Tensor& values) const {
    const int rank = communicator_.rank();
    return values.narrow(0, layouts()[bucket].begins[rank], layouts()[bucket].counts[rank]);
  }

  Communicator& communicator_;
  GradientBuckets buckets_;
};

/// Gradients leave as they come.
class Stage2 : public Session {
 public:
  Stage2(const AttachContext& context, const Settings& settings)
      : Session(context, settings),
        gradients_(context, layouts(), replica(), offload().gradients()) {
    replica().on_gradient(
        [this](const Replica::Parameter& parameter) { gradients_.arrived(parameter); });
  }

  void begin_step(int objective, int) override { gradients_.begin_step(objective); }
  void before_backward(Backward which) override {
    gradients_.before_backward(which);
    replica().before_backward();
  }
  void after_backward(Backward which) override {
    replica().after_backward(which);
    gradients_.after_backward(which);
  }
  void hold(bool on) override { gradients_.hold(on); }

 protected:
  at::Tensor gradient(std::size_t bucket) override { return gradients_.mine(bucket); }
  void abandon_gradients() override { gradients_.abandon(); }
  GradientShards& gradients() { return gradients_; }

 private:
  GradientShards gradients_;
};

/// Parameters come for their unit and go after it, in forward and again in backward.
class Stage3 : public Stage2 {
 public:
  Stage3(const AttachContext& context, const Settings& settings)
      : Stage2(context, settings),
        prefetch_(settings.prefetch),
        units_(context.model.units.size()),
        orders_(context.objectives.size() + 1),
        order_(&orders_.back()) {
    for (std::size_t u = 0; u < units_.size(); ++u) {
      for (const ParameterSpec& parameter : context.model.units[u].parameters) {
        units_[u].gradients += parameter.requires_grad ? 1 : 0;
      }
    }
    replica().on_gradient([this](const Replica::Parameter& parameter) {
      gradients().arrived(parameter);
      arrived(parameter.unit);
    });
  }

  void begin_step(int objective, int micro_batches) override {
    end_pass();
    order_ = &orders_[objective];
    before_step_ = *order_;
    Stage2::begin_step(objective, micro_batches);
  }
  StepResult step(const StepRequest& request) override {
    const StepResult result = Stage2::step(request);
    order_ = &orders_.back();
    return result;
  }

  Tensors after_unit(int unit, Tensors outputs, Pass pass) override {
    if (pass == Pass::kGraph || pass == Pass::kFirst) {
      runs_.push_back(unit);
      outputs = call_before_backward(std::move(outputs), first_run_ + std::ssize(runs_) - 1);
    }
    return Session::after_unit(unit, std::move(outputs), pass);
  }

  void before_backward(Backward which) override {
    end_pass();
    next_ = std::ssize(runs_);
    for (Unit& unit : units_) unit = {.gradients = unit.gradients};
    for (std::int64_t run = next_; run-- > 0;) {
      for (const int unit : replica().needed(runs_[run])) units_[unit].first_run = run;
    }
    backward_ = true;
    prefetch_next();
    // Which of the runs an earlier part has been through is not known where ranks differ.
    if (parts_) gradients().hold(true);
    Stage2::before_backward(which);
  }
  void after_backward(Backward which) override {
    // A rank whose backward did not reach these takes part all the same.
    open_from(0);
    for (std::size_t u = 0; u < units_.size(); ++u) close(static_cast<int>(u));
    backward_ = false;
    // Parts of a micro-batch may have been run before any of their backwards.
    parts_ = which == Backward::kPart;
    if (!parts_) {
      first_run_ += std::ssize(runs_);
      runs_.clear();
    }
    if (!parts_) gradients().hold(false);
    Stage2::after_backward(which);
  }
  void hold(bool on) override {
    if (!parts_) Stage2::hold(on);
  }

 protected:
  void gathered(int unit) override {
    if (!prefetch_ || backward_) return;
    const int next = order_->gathered(unit);
    if (next != GatherOrder::kNone) store().prefetch(next);
  }
  void end_pass() override {
    store().drop_prefetched();
    order_->end();
  }
  void abandon_gradients() override {
    first_run_ += std::ssize(runs_);
    runs_.clear();
    backward_ = parts_ = false;
    *order_ = before_step_;
    Stage2::abandon_gradients();
  }

 private:
  enum class Phase { kToCome, kOpen, kDone };
  /// Of a unit in this backward.
  struct Unit {
    int gradients = 0;  // parameters that get one
    int arrived = 0;
    Phase phase = Phase::kToCome;
    std::int64_t first_run = -1;  // that needs it
  };

  /// An identity whose backward comes before that of the unit.
  struct Mark : torch::autograd::Function<Mark> {
    static torch::autograd::variable_list forward(torch::autograd::AutogradContext* context,
                                                  std::int64_t session, std::int64_t run,
                                                  at::TensorList outputs) {
      context->set_materialize_grads(false);
      context->saved_data["session"] = session;
      context->saved_data["run"] = run;
      return outputs.vec();
    }
    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                   torch::autograd::variable_list gradients) {
      // NOLINTNEXTLINE(performance-no-int-to-ptr): saved_data holds no pointers
      auto* session = reinterpret_cast<Stage3*>(context->saved_data["session"].toInt());
      session->open_from(context->saved_data["run"].toInt() - session->first_run_);
      gradients.insert(gradients.begin(), 2, at::Tensor());  // of session and run
      return gradients;
    }
  };

  Tensors call_before_backward(Tensors outputs, std::int64_t run) {
    std::vector<std::size_t> places;
    Tensors marked;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      if (!outputs[i].defined() || !outputs[i].requires_grad()) continue;
      places.push_back(i);
      marked.push_back(outputs[i]);
    }
    if (marked.empty()) return outputs;
    marked = Mark::apply(reinterpret_cast<std::int64_t>(this), run, at::TensorList(marked));
    for (std::size_t i = 0; i < places.size(); ++i) outputs[places[i]] = marked[i];
    return outputs;
  }

  /// Backward is about to enter this run, or has ended: gathers for the runs from the last one down
  /// to it, in that order on all ranks. Autograd goes by the order of forward, so all later runs
  /// have had their backward. What they alone need is reduced before the next gather, on all ranks,
  /// also where no gradient came: a rank that waits in the one for another that waits in the other
  /// would wait for ever.
  void open_from(std::int64_t index) {
    while (next_ > index) {
      if (next_ < std::ssize(runs_)) complete_after(next_);
      for (const int unit : replica().needed(runs_[--next_])) {
        if (units_[unit].phase != Phase::kToCome) continue;
        store().acquire(unit);
        units_[unit].phase = Phase::kOpen;
        prefetch_next();
      }
    }
  }

  /// Begins what open_from will gather next.
  void prefetch_next() {
    if (!prefetch_) return;
    for (std::int64_t run = std::min(next_, std::ssize(runs_) - 1); run >= 0; --run) {
      for (const int unit : replica().needed(runs_[run])) {
        if (units_[unit].phase != Phase::kToCome || !store().comes_and_goes(unit)) continue;
        store().prefetch(unit);
        return;
      }
    }
  }

  void complete_after(std::int64_t run) {
    for (const int unit : replica().needed(runs_[run])) {
      if (units_[unit].first_run == run) replica().complete(unit);
    }
  }

  /// Once all gradients of a unit have come, nothing in this backward reads it any more: what reads
  /// a parameter for another gradient makes the parameter's own in the same call.
  void arrived(int unit) {
    if (!backward_ || ++units_[unit].arrived < units_[unit].gradients) return;
    close(unit);
  }

  void close(int unit) {
    if (std::exchange(units_[unit].phase, Phase::kDone) != Phase::kOpen) return;
    store().release(unit);
  }

  const bool prefetch_;
  std::vector<Unit> units_;
  std::vector<GatherOrder> orders_;  // of forward, by objective, and last of what is no training
  GatherOrder* order_;               // the present one
  GatherOrder before_step_;          // as it was then: a step that begins anew foresees the same
  std::vector<int> runs_;            // units with a graph, in the order of forward
  std::int64_t first_run_ = 0;       // the number of runs_[0] since the start
  std::int64_t next_ = 0;            // runs from here on have been opened in this backward
  bool parts_ = false;               // this micro-batch has had a backward of a part
  bool backward_ = false;
};

}  // namespace

std::unique_ptr<StrategySession> make_session(const AttachContext& context,
                                              const Settings& settings) {
  if (settings.stage == 1) return std::make_unique<Stage1>(context, settings);
  if (settings.stage == 2) return std::make_unique<Stage2>(context, settings);
  return std::make_unique<Stage3>(context, settings);
}

}  // namespace zero
