#include "host/train/model_trials.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/isfinite.h>

#include <algorithm>
#include <numeric>
#include <ranges>

#include "host/train/economies.h"
#include "host/train/execution.h"
#include "host/train/model_check.h"
#include "host/train/state_hash.h"
#include "trainhost/error.h"

namespace trainhost::train {
namespace {

using Json = nlohmann::ordered_json;

[[noreturn]] void fail(std::string what, std::string expected = "", std::string got = "") {
  throw Error(Failure::kPlugin, {.where = "model",
                                 .what = std::move(what),
                                 .expected = std::move(expected),
                                 .got = std::move(got)});
}

/// Of each parameter and buffer in turn, filled by itself.
struct Filled {
  std::string name;
  std::uint64_t hash = 0;
  bool finite = true;
};

template <class Spec>
Filled filled(const UnitSpec& unit, const Spec& spec) {
  at::Tensor out = at::empty(spec.shape, at::TensorOptions(spec.dtype));
  spec.initialize(out);
  const bool finite = !out.is_floating_point() || at::isfinite(out).all().template item<bool>();
  const at::Tensor flat = out.contiguous();
  return {
      full_name(unit, spec.name),
      hash_elements(flat.const_data_ptr(), flat.numel(), static_cast<int>(flat.element_size()), 0),
      finite};
}

std::vector<Filled> fill_all(const ModelSpec& model, bool backwards) {
  std::vector<std::function<Filled()>> work;
  for (const UnitSpec& unit : model.units) {
    for (const ParameterSpec& spec : unit.parameters) {
      work.emplace_back([&] { return filled(unit, spec); });
    }
    for (const BufferSpec& spec : unit.buffers) {
      work.emplace_back([&] { return filled(unit, spec); });
    }
  }
  if (backwards) std::ranges::reverse(work);
  std::vector<Filled> out;
  for (const auto& one : work) out.push_back(one());
  if (backwards) std::ranges::reverse(out);
  return out;
}

/// Where each rank's part of a micro-batch begins and ends.
std::vector<std::int64_t> cuts(std::int64_t rows, const Split& split) {
  std::int64_t shares = 0;
  for (const auto& micro_batch : split) {
    shares = std::accumulate(micro_batch.begin(), micro_batch.end(), shares);
  }
  std::vector<std::int64_t> out{0};
  std::int64_t done = 0;
  for (const auto& micro_batch : split) {
    for (const int share : micro_batch) {
      done += share;
      out.push_back(rows * done / std::max<std::int64_t>(1, shares));
    }
  }
  return out;
}

Json loss_of(const ModelTrial& trial, RankExecution& execution, std::size_t o, const Split& split) {
  const auto source = trial.rank.batches(static_cast<int>(o));
  const std::int64_t effective = trial.plan.objectives.at(o).effective_batch;
  const std::int64_t rows = source->rows(0, 0, effective);
  const std::vector<std::int64_t> cut = cuts(rows, split);
  const auto world = static_cast<std::size_t>(trial.communicator.world());
  double sums[2] = {0, 0};
  Json weights = Json::array(), own_rows = Json::array();
  trial.session.begin_step(static_cast<int>(o), static_cast<int>(split.size()));
  for (std::size_t m = 0; m < split.size(); ++m) {
    const std::size_t mine = m * world + static_cast<std::size_t>(trial.communicator.rank());
    Slice slice{0, 0, 0, cut[mine], cut[mine + 1]};
    for (std::size_t r = m * world; r < (m + 1) * world; ++r) {
      slice.rows_of.push_back(cut[r + 1] - cut[r]);
    }
    Batch batch = source->load(slice, effective);
    for (at::Tensor& tensor : batch.tensors) tensor = tensor.to(trial.device.device());
    if (!batch.row_reads.empty()) trial.session.read_rows(batch.row_reads);
    execution.begin_micro_batch(m + 1 == split.size());
    const Loss loss = trial.rank.loss(static_cast<int>(o), batch, execution);
    execution.finish_micro_batch(loss.sum);
    if (loss.sum.defined()) sums[0] += loss.sum.detach().item<double>();
    sums[1] += loss.weight;
    weights.push_back(loss.weight);
    own_rows.push_back(slice.end - slice.begin);
  }
  execution.begin_inference();
  execution.sum_over_ranks(sums);
  // Without an update the next objective would begin in the middle of a step.
  trial.session.step({.objective = static_cast<int>(o), .divisor = sums[1], .lr = 0});
  return {{"objective", trial.objectives[o].name},
          {"sum", sums[0]},
          {"weight", sums[1]},
          {"rows", rows},
          {"own_weights", weights},
          {"own_rows", own_rows}};
}

}  // namespace

Json try_declaration(const Model& model, MemoryCounter& memory) {
  memory.reset_peak();
  const std::int64_t before = memory.current();
  const ModelSpec spec = model.declare();
  const std::int64_t allocated = memory.peak() - before;
  const ModelSize size = model_size(spec);
  return {{"allocated", allocated}, {"parameters", size.parameters}, {"bytes", size.bytes}};
}

void try_initialisers(const ModelSpec& first, const ModelSpec& second) {
  const std::vector<Filled> once = fill_all(first, false), again = fill_all(second, true);
  for (std::size_t i = 0; i < once.size(); ++i) {
    if (i >= again.size() || again[i].name != once[i].name) {
      fail("another instance declares other tensors", once[i].name,
           i < again.size() ? again[i].name : "nothing");
    }
    if (!once[i].finite) fail("the first values of '" + once[i].name + "' are not finite");
    if (once[i].hash != again[i].hash) {
      fail("the first values of '" + once[i].name +
               "' depend on what was filled before it, or on the instance",
           "the same bits whenever and however often it is filled");
    }
  }
}

Json try_loss(const ModelTrial& trial, const Split& split) {
  RankExecution execution(trial.session, trial.communicator, trial.device.device(),
                          static_cast<std::uint64_t>(trial.plan.train.seed));
  execution.begin_inference();
  trial.rank.begin_epoch(0, execution);
  Json out = Json::array();
  for (std::size_t o = 0; o < trial.objectives.size(); ++o) {
    out.push_back(loss_of(trial, execution, o, split));
  }
  return out;
}

Json try_evaluation(const ModelTrial& trial) {
  RankExecution execution(trial.session, trial.communicator, trial.device.device(),
                          static_cast<std::uint64_t>(trial.plan.train.seed));
  execution.begin_inference();
  trial.host.doing("evaluating");
  const Evaluation evaluation = trial.rank.evaluate(execution);
  Json metrics = Json::object();
  for (const Metric& metric : evaluation.metrics) metrics[metric.name] = metric.value;
  return {{"watched", evaluation.watched}, {"metrics", metrics}};
}

}  // namespace trainhost::train
