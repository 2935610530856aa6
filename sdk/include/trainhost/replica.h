// Replica: a whole copy of the parameters on one rank, for strategies that replicate them.
//
// Purpose: allocation by unit, initialisation, leaf tensors for autograd, the optimizer step and
// the state that `single`, `ddp` and strategies like local SGD all need; what differs between them
// (how gradients come together) stays with the strategy. A building block, not a contract: a
// strategy need not use it (link trainhost::blocks if it does). Owner: a StrategySession; it
// borrows what AttachContext refers to. Threads and ranks: the rank's thread, except the callback
// of on_gradient.
#pragma once

#include <ATen/core/Tensor.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "trainhost/optimized_slice.h"
#include "trainhost/strategy.h"

namespace trainhost {

class Replica {
 public:
  struct Parameter : OptimizedSlice {
    at::Tensor leaf;      ///< what the model sees, of the declared shape, in the memory of `values`
    at::Tensor gradient;  ///< flat view of the gradient buffer; undefined where autograd makes it
    bool stale = false;   ///< `gradient` holds what is left of an earlier step

    // Of the present micro-batch: whether a unit that reads it was run with a graph, and how many
    // are to be run again. Of the present backward: how often autograd will accumulate a gradient
    // if it reaches them all, and has.
    bool in_graph = false;
    int to_run_again = 0, expected = 0, arrived = 0;
    bool complete = false;
    at::Tensor earlier{};  ///< gradient of earlier backwards, while this one's comes in pieces
  };

  struct Settings {
    /// Memory for the parameters of a unit, u8 [flat_layout's bytes] on the session's device;
    /// empty: the device's own. Called for each unit in order.
    std::function<at::Tensor(int unit)> allocate{};
    /// Called once the parameters of a unit have their first values.
    std::function<void(int unit)> initialised{};
    /// The parameters are those of this replica of the same process, which outlives this one;
    /// leaves, gradients and buffers are this one's own.
    const Replica* same_parameters_as = nullptr;
  };

  explicit Replica(const AttachContext& context) : Replica(context, Settings{}) {}
  Replica(const AttachContext& context, const Settings& settings);
  ~Replica();
  Replica(const Replica&) = delete;
  Replica& operator=(const Replica&) = delete;

  std::deque<Parameter>& parameters() { return parameters_; }
  const std::vector<Parameter*>& parameters_of(int unit) const { return by_unit_[unit]; }
  bool used_by(int objective, int unit) const;
  /// The units whose parameters a unit reads: itself and the owners of what it borrows.
  const std::vector<int>& needed(int unit) const { return needed_[unit]; }

  /// For StrategySession::before_unit.
  const StrategySession::Lent& lend(int unit, Pass pass);

  /// Gives a unit a gradient buffer, u8 of flat_layout's size: its gradients accumulate in views of
  /// it. Without one, autograd makes a gradient in each step and hands it over without a copy.
  /// kOverwrite: the first gradient of a step is copied into its view rather than added to zeros,
  /// which spares two passes over the memory; what got no gradient is `stale` then, and whoever
  /// reads the whole buffer clears that first. The same choice for all units.
  enum class First { kAdd, kOverwrite };
  void bind_gradients(int unit, const at::Tensor& bytes, First first = First::kAdd);

  /// Called once in a backward for each parameter of which no more gradient will come in it, also
  /// from autograd's threads. (A tied parameter of units that run again gets its gradient in
  /// pieces.) Those that no unit has read are so from the beginning; not called for those that a
  /// backward does not reach, or not as often as their units ran. To be set before the first
  /// backward.
  void on_gradient(std::function<void(Parameter&)> callback) { callback_ = std::move(callback); }
  /// A session that sets on_gradient, or promises exact numerics, calls these around each backward.
  void before_backward();
  void after_backward(Backward which);
  /// The backward has gone past all runs of the units that read the unit's parameters.
  void complete(int unit);

  /// An Error where a parameter has a gradient that the objective does not announce.
  void require_announced(int objective) const;
  /// A parameter that has a gradient on any rank is touched on all of them.  [collective]
  void agree_on_touched();

  /// Clips by the global norm, updates every touched parameter of the objective, and clears the
  /// gradients. Gradients are sums over micro-batches and ranks; `touched` is equal on all ranks.
  /// With `updated`, goes unit by unit and calls it after each that the objective uses.
  StepResult update(const StepRequest& request,
                    const std::function<void(int unit)>& updated = nullptr);
  void clear_gradients(int objective);
  /// For StrategySession::abandon_step: no gradient is left of any parameter, and no run of a unit
  /// counts.
  void abandon();

  /// For StrategySession::state and full_parameters. A rank that runs no optimizer leaves its
  /// states out.
  enum class States { kAll, kWithoutOptimizer };
  std::vector<StateSlice> state(bool for_loading, States states = States::kAll);
  using Visit = std::function<void(const std::string&, const at::Tensor&)>;
  void visit(const Visit& visit) const;
  void visit_parameters(int unit, const Visit& visit) const;
  void visit_buffers(const Visit& visit) const;
  void append_buffers(std::vector<StateSlice>& out) const;

 private:
  void allocate_unit(int index, const Settings& settings);
  void add_parameter(int unit, const ParameterSpec& spec, at::Tensor values, bool initialize);
  void add_buffers(int unit);
  void resolve_borrowed(int index);
  void count_run(int unit, Pass pass);
  void count_arrival(Parameter& parameter);
  void complete(Parameter& parameter);
  static void add_to_earlier(Parameter& parameter);
  void hook(Parameter& parameter);
  static void move_into_view(Parameter& parameter);
  std::vector<SliceGradient> touched_slices(int objective);

  const AttachContext context_;
  std::function<void(Parameter&)> callback_;
  First first_ = First::kAdd;
  std::deque<Parameter> parameters_;  // deque: the addresses of its entries stay
  std::vector<std::vector<Parameter*>> by_unit_;
  std::vector<StrategySession::Lent> lent_;
  std::vector<std::vector<int>> needed_;
  std::vector<std::vector<Parameter*>> read_by_;  // by unit: own and borrowed, with a gradient
  std::vector<std::pair<std::string, at::Tensor>> buffers_;
  std::map<std::string, at::Tensor> by_name_;
  std::vector<std::shared_ptr<void>>
      accumulators_;  // autograd's nodes, kept alive with their hooks
};

}  // namespace trainhost
