// Strategy: who holds which part of the model, and how gradients come together.
//
// Purpose: a strategy allocates and initialises the parameters of a ModelSpec, lends them to the
// model around each unit, reduces gradients, runs the optimizer on what it holds, and can show its
// state as slices of logical tensors, so that the host saves and reshards it without knowing it.
// Owner: the host owns Strategy and sessions; a session borrows all that AttachContext refers to,
// and goes before the Strategy does.
// Threads and ranks: one Strategy for each process and one session for each rank, used from the
// rank's thread; where ranks are threads of one process, they attach to the same Strategy at once.
// Autograd hooks may run on autograd's threads. All ranks issue the same collectives in the same
// order.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "trainhost/communicator.h"
#include "trainhost/device.h"
#include "trainhost/execution.h"
#include "trainhost/host.h"
#include "trainhost/model.h"
#include "trainhost/optimizer.h"
#include "trainhost/unit.h"

namespace trainhost {

/// How sums are ordered. kExact: every micro-step is reduced by itself, in rank order, so that all
/// strategies give the same bits. kFast: whatever is quickest.
enum class Numerics { kFast, kExact };

/// What a strategy promises: bytes on the device of the rank that holds most, at the worst moment
/// of a step, and what a rank sends. Activations come on top, and are the model's.
struct Claims {
  std::int64_t parameters = 0;  ///< as the model computes with them
  std::int64_t buffers = 0;     ///< the model's tensors without gradient
  std::int64_t gradients = 0;
  std::int64_t optimizer = 0;  ///< states, and fp32 masters of 16-bit parameters
  /// What comes and goes in a step beyond the gradient that autograd hands over last: staging,
  /// gathered units, gradients that wait for their bucket.
  std::int64_t transient = 0;
  std::int64_t padding = 0;  ///< how much of the above only aligns
  std::int64_t host = 0;     ///< in host memory or mapped files instead of on the device
  /// Bytes a rank sends in a step of each objective (collectives tagged kStrategy), as the mean of
  /// the ranks where they differ.
  std::vector<std::int64_t> traffic{};

  std::int64_t on_device() const {
    return parameters + buffers + gradients + optimizer + transient;
  }
};

/// What claims depend on.
struct ClaimsRequest {
  const ModelSpec& model;
  const std::vector<ObjectiveSpec>& objectives;
  const Optimizer& optimizer;
  int world = 1;
  int micro_batches = 1;  ///< of an optimizer step
  Numerics numerics = Numerics::kFast;
  /// As in AttachContext.
  std::optional<at::ScalarType> gradient_dtype{};
};

struct AttachContext {
  Host& host;
  const ModelSpec& model;
  const std::vector<ObjectiveSpec>& objectives;
  DeviceSession& device;
  Communicator& communicator;
  Optimizer& optimizer;
  Numerics numerics = Numerics::kFast;
  /// The 16-bit type in which gradients of fp32 parameters travel between ranks; they are summed
  /// and kept in fp32. Nothing: in their own.
  std::optional<at::ScalarType> gradient_dtype{};
  /// Another group of the same ranks, whose operations are ordered among themselves alone: for what
  /// must not wait for a place among those of `communicator`. Each name once.  [collective]
  std::function<std::unique_ptr<Communicator>(const std::string& name)> make_communicator{};
};

/// A piece of a logical tensor that this rank holds. The host saves and fills `data` in place.
struct StateSlice {
  /// "parameter/UNIT/NAME", "optimizer/OBJECTIVE/STATE/UNIT/NAME", "buffer/UNIT/NAME", or a name of
  /// the strategy's own below "strategy/".
  std::string name;
  std::vector<std::int64_t> shape;  ///< of the logical tensor
  std::int64_t offset = 0;          ///< of this slice in the flattened logical tensor
  at::Tensor data;                  ///< flat view, contiguous, on any device
  bool replicated = false;          ///< every rank holds the same: one of them saves it
};

struct StepRequest {
  int objective = 0;
  double divisor = 0;  ///< of the summed gradient: the weight of all rows; 0 where no rank had any
  double lr = 0;       ///< after schedule and scaling
  double clip_norm = 0;  ///< 0: no clipping
  /// Gradients may hold infinities (a loss scale that was too large): then nothing is updated.
  bool check_overflow = false;
};

struct StepResult {
  double gradient_norm = -1;  ///< true global norm; -1 where it was not computed
  bool overflow = false;      ///< on any rank: no update was made on any
};

/// Which of a micro-batch's backwards it is. kPart: others follow (Execution::backward);
/// kLastOfStep: the last one of the optimizer step too, after which gradients may be reduced.
enum class Backward { kPart, kLastOfBatch, kLastOfStep };

/// What a run of a unit is for. Under activation checkpointing a unit runs without a graph (kFirst)
/// and once more in the backward that comes through it, then with one (kAgain).
enum class Pass {
  kNoGraph,  ///< no backward will come through it
  kGraph,
  kFirst,
  kAgain,
};

/// What one rank has of the model. Called in this order, where {} repeats:
///
///   { begin_step
///     { read_rows?  { before_unit  after_unit }  before_backward  (gradient hooks)  after_backward
///     } step }
///
/// A micro-batch may have several backwards, with units before and between them. What was run with
/// Pass::kFirst is run with kAgain inside a backward, on its thread. Between steps, before_unit and
/// after_unit come with kNoGraph (evaluation, hooks of the model), and so do full_parameters and
/// state.
class StrategySession {
 public:
  virtual ~StrategySession() = default;

  /// Makes the tensors of a unit readable: called before its function.  [collective]; kAgain is
  /// called by those ranks whose backward comes there.
  struct Lent {
    Tensors parameters, buffers, borrowed;
  };
  virtual Lent before_unit(int unit, Pass pass) = 0;
  /// After the function; may wrap the outputs to be called in their backward, which for kFirst is
  /// before the unit runs again.  [as before_unit]
  virtual Tensors after_unit(int unit, Tensors outputs, Pass pass) = 0;

  /// Called before the first micro-batch of an optimizer step.
  virtual void begin_step(int objective, int micro_batches) = 0;
  /// Rows of row-sparse parameters that the coming micro-batch reads; before its loss.
  virtual void read_rows(std::span<const RowRead> /*rows*/) {}
  /// Around each backward.
  virtual void before_backward(Backward which) = 0;
  virtual void after_backward(Backward which) = 0;
  /// Between hold(true) and hold(false), within a backward, collectives of the model's own are
  /// still to come. Where they stand among the gradients may differ between ranks (a parameter that
  /// only some of them use), so nothing may be issued from gradient hooks meanwhile.
  virtual void hold(bool /*on*/) {}
  /// Finishes the reduction, clips, and runs the optimizer.  [collective]
  virtual StepResult step(const StepRequest& request) = 0;

  /// Forgets the step that begin_step began, wherever it stands: also after an exception (out of
  /// memory) left a unit or a backward. Waits for what this rank has issued, drops gradients and
  /// gathered units; parameters and states are as before begin_step, which is called next, and the
  /// collectives come in the same order again: a rank that ran out of memory goes through the step
  /// once more, without rows, and those that it has issued already are left out. Returns false
  /// where the session cannot: then running out of memory ends the run.
  virtual bool abandon_step() { return false; }

  /// Calls `visit` with each whole parameter and buffer in the order of the model, on every rank
  /// (or only on rank 0). The tensor lives during the call.  [collective]
  virtual void full_parameters(
      bool only_rank0, const std::function<void(const std::string&, const at::Tensor&)>& visit) = 0;

  /// All that a checkpoint needs, as views that can be read and written in place. Scalars (update
  /// counts) are tensors of one element. May grow between calls, as states come to exist: with
  /// `for_loading` every state exists, whether an update has touched it or not.
  virtual std::vector<StateSlice> state(bool for_loading) = 0;
  /// After the host has written into state(true).  [collective]
  virtual void state_loaded() {}
};

class Strategy {
 public:
  virtual ~Strategy() = default;

  /// For `describe`: allocates nothing, needs no device.
  virtual Claims claims(const ClaimsRequest& request) const = 0;

  /// Allocates, initialises and binds the parameters on this rank's device.  [collective]
  virtual std::unique_ptr<StrategySession> attach(const AttachContext& context) = 0;

  /// An optional ability by string id, or nullptr.
  virtual void* extension(std::string_view /*id*/) { return nullptr; }
};

}  // namespace trainhost
