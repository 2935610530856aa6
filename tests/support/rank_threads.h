// RankThreads: ranks as threads of this process, each with the host's own Execution over the CPU
// device's communicator, and a session that holds the parameters whole and counts what it is
// asked. For tests of what models do through Execution.
#pragma once

#include <ATen/ops/empty.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "host/train/execution.h"
#include "threads.h"
#include "trainhost/strategy.h"
#include "trainhost/unit.h"

namespace trainhost::testing {

/// Parameters and buffers of one rank; gradients stay in the leaves.
class WholeSession : public StrategySession {
 public:
  explicit WholeSession(const ModelSpec& model) {
    for (const UnitSpec& unit : model.units) {
      Lent& lent = units_.emplace_back();
      for (const ParameterSpec& parameter : unit.parameters) {
        at::Tensor value = made(parameter.shape, parameter.dtype, parameter.initialize);
        lent.parameters.push_back(value.set_requires_grad(parameter.requires_grad));
        by_name_[full_name(unit, parameter.name)] = value;
      }
      for (const BufferSpec& buffer : unit.buffers) {
        lent.buffers.push_back(made(buffer.shape, buffer.dtype, buffer.initialize));
        by_name_[full_name(unit, buffer.name)] = lent.buffers.back();
      }
    }
  }

  Lent before_unit(int unit, Pass pass) override {
    passes.push_back(pass);
    return units_[static_cast<std::size_t>(unit)];
  }
  Tensors after_unit(int, Tensors outputs, Pass) override { return outputs; }
  void begin_step(int, int) override {}
  void before_backward(Backward) override {}
  void after_backward(Backward which) override { backwards.push_back(which); }
  StepResult step(const StepRequest&) override { return {}; }
  void full_parameters(bool,
                       const std::function<void(const std::string&, const at::Tensor&)>&) override {
  }
  std::vector<StateSlice> state(bool) override { return {}; }

  const at::Tensor& tensor(const std::string& full_name) const { return by_name_.at(full_name); }

  std::vector<Backward> backwards;
  std::vector<Pass> passes;

 private:
  static at::Tensor made(const std::vector<std::int64_t>& shape, at::ScalarType dtype,
                         const Initializer& initialize) {
    at::Tensor out = at::empty(shape, at::TensorOptions(dtype));
    initialize(out);
    return out;
  }

  std::vector<Lent> units_;
  std::map<std::string, at::Tensor> by_name_;
};

struct RankOfTest {
  train::RankExecution& execution;
  WholeSession& session;
  std::size_t rank;
};

/// Runs `body` on every rank at once, in a training micro-batch; what each threw, or "". `body`
/// uses no assertions of Catch's, which belong to one thread.
inline std::vector<std::string> on_ranks(int world, const ModelSpec& model,
                                         const std::function<void(const RankOfTest&)>& body,
                                         const train::Economies& economies = {}) {
  constexpr std::uint64_t kSeed = 7;
  Threads threads(world);
  return threads.run([&](Communicator& communicator) {
    WholeSession session(model);
    train::RankExecution execution(session, communicator, at::kCPU, kSeed, economies);
    execution.begin_micro_batch(true);
    body({execution, session, static_cast<std::size_t>(communicator.rank())});
  });
}

/// `rows` in `world` uneven parts, of which with three ranks and more one has none.
inline std::vector<std::int64_t> uneven(std::int64_t rows, int world) {
  if (world == 1) return {rows};
  std::vector<std::int64_t> out(static_cast<std::size_t>(world), 0);
  for (std::int64_t row = 0; row < rows; ++row) ++out[row % 3 == 0 ? 0 : world - 1];
  if (world > 3 && out[0] > 1) --out[0], ++out[2];
  return out;
}

/// This rank's rows of a tensor of all rows.
inline at::Tensor part_of(const at::Tensor& all, const std::vector<std::int64_t>& rows_of,
                          std::size_t rank) {
  std::int64_t before = 0;
  for (std::size_t r = 0; r < rank; ++r) before += rows_of[r];
  return all.narrow(0, before, rows_of[rank]).clone();
}

}  // namespace trainhost::testing
