// KgatRank: one rank's losses, attention refresh and evaluation.
#include <ATen/ops/cat.h>
#include <c10/core/GradMode.h>

#include <cmath>

#include "batches.h"
#include "evaluation.h"
#include "model.h"
#include "operators.h"

namespace kgat {
namespace {

using trainhost::Batch;
using trainhost::Evaluation;
using trainhost::Execution;
using trainhost::Loss;
using trainhost::Tensors;
using trainhost::UnitTensors;

constexpr int kCf = 0;

class KgatRank : public RepresentingRank {
 public:
  KgatRank(std::shared_ptr<const Shared> shared, int rank, int world)
      : shared_(std::move(shared)), rank_(rank), world_(world) {}

  std::unique_ptr<trainhost::BatchSource> batches(int objective) override {
    return make_batches(shared_, objective);
  }

  Loss loss(int objective, const Batch& batch, Execution& execution) override {
    const at::Tensor sum = objective == kCf ? cf_loss(batch, execution) : kg_loss(batch, execution);
    return {sum, static_cast<double>(batch.rows())};
  }

  /// The attention of the next epoch (KGAT section 3.2: updated once an epoch, no gradient).
  void end_epoch(std::int64_t, Execution& execution) override {
    execution.run(kTransRUnit,
                  [&](const UnitTensors& unit, const Tensors&) {
                    unit.buffer(0).copy_(new_attention(unit));
                    return Tensors{};
                  },
                  {});
  }

  Evaluation evaluate(Execution& execution) override;
  at::Tensor representations(Execution& execution) override;

 private:
  at::Tensor cf_loss(const Batch& batch, Execution& execution);
  at::Tensor kg_loss(const Batch& batch, Execution& execution);
  /// The parts of the concatenated representation (equation 11) at the frontier's batch level.
  Tensors propagate(const std::shared_ptr<Propagation>& propagation, std::int64_t step,
                    Execution& execution);
  at::Tensor new_attention(const UnitTensors& unit);
  Operators& operators(at::Device device);
  /// All nodes' representations, on the device.
  at::Tensor table(Execution& execution);
  MetricSums measure(const at::Tensor& table, const Interactions& wanted,
                     const Interactions& masked, Execution& execution);
  MetricSums baseline(const Interactions& wanted, const Interactions& masked,
                      Execution& execution) const;
  std::vector<std::int32_t> my_users(const Interactions& wanted) const;
  MetricSums add_over_ranks(const MetricSums& mine, Execution& execution) const;
  static void append(Evaluation& evaluation, const std::string& prefix, const MetricSums& sums,
                     const MetricSums& baseline);

  const std::shared_ptr<const Shared> shared_;
  const int rank_, world_;
  std::unique_ptr<Operators> operators_;  // made where the first tensor is
  MetricSums test_baseline_, validation_baseline_;
};

Operators& KgatRank::operators(at::Device device) {
  if (operators_) return *operators_;
  const bool composed = shared_->settings.composed;
  if (device.is_cpu() && !composed) {
    operators_ = make_cpu_operators(shared_->graph);
  } else if (shared_->kernels != nullptr && device.is_cuda() && !composed) {
    operators_ = make_gpu_operators(shared_->graph, *shared_->kernels, device);
  } else {
    operators_ = make_composed_operators(shared_->graph, device);
  }
  return *operators_;
}

at::Tensor KgatRank::new_attention(const UnitTensors& unit) {
  const at::Tensor& table = unit.borrowed(0);
  return operators(table.device()).attention(table, unit.parameter(0), unit.parameter(1));
}

LayerParameters weights_of(const LayerShape& shape, const UnitTensors& unit) {
  LayerParameters weights{unit.parameter(0), unit.parameter(1), {}, {}};
  if (shape.two_products()) {
    weights.w2 = unit.parameter(2);
    weights.b2 = unit.parameter(3);
  }
  return weights;
}

Tensors KgatRank::propagate(const std::shared_ptr<Propagation>& propagation, std::int64_t step,
                            Execution& execution) {
  const Settings& settings = shared_->settings;
  const double rate = execution.training() ? settings.dropout : 0;
  Tensors parts;
  at::Tensor x;
  for (int l = 1; l <= settings.layers(); ++l) {
    const auto dropout =
        Dropout::make(rate, execution.random("kgat.dropout"), static_cast<std::uint32_t>(step),
                      static_cast<std::uint16_t>(l));
    const Tensors result = execution.run(
        kFirstLayerUnit + l - 1,
        [=, this](const UnitTensors& unit, const Tensors& inputs) -> Tensors {
          const LayerShape shape = shared_->settings.layer(l);
          const LayerResult result =
              propagation->layer(l, shape, dropout, weights_of(shape, unit), unit.borrowed(0),
                                 l == 1 ? unit.borrowed(1) : inputs[0]);
          if (l == 1) return {result.y, result.z, result.x_rows};
          return {result.y, result.z};
        },
        l == 1 ? Tensors{} : Tensors{x});
    if (l == 1) parts.push_back(result[2]);
    parts.push_back(result[1]);
    x = result[0];
  }
  return parts;
}

at::Tensor KgatRank::cf_loss(const Batch& batch, Execution& execution) {
  const auto work = std::static_pointer_cast<const CfWork>(batch.extra);
  const auto propagation = operators(execution.device()).propagation(*work);
  const Tensors parts = propagate(propagation, batch.slice.global_step, execution);
  return propagation->cf_loss(shared_->settings.cf_l2, parts);
}

at::Tensor KgatRank::kg_loss(const Batch& batch, Execution& execution) {
  const auto work = std::static_pointer_cast<const KgWork>(batch.extra);
  return execution.run(kTransRUnit,
                       [=, this](const UnitTensors& unit, const Tensors&) {
                         const at::Tensor& table = unit.borrowed(0);
                         return Tensors{operators(table.device())
                                            .kg_loss(*work, shared_->settings.kg_l2, table,
                                                     unit.parameter(0), unit.parameter(1))};
                       },
                       {})[0];
}

std::vector<std::int32_t> KgatRank::my_users(const Interactions& wanted) const {
  const std::vector<std::int32_t> users = users_with_items(wanted);
  const auto count = static_cast<std::int64_t>(users.size());
  return {users.begin() + count * rank_ / world_, users.begin() + count * (rank_ + 1) / world_};
}

MetricSums KgatRank::add_over_ranks(const MetricSums& mine, Execution& execution) const {
  std::vector<double> flat = mine.flat();
  execution.sum_over_ranks(flat);
  return MetricSums::from_flat(mine.ks, flat);
}

MetricSums KgatRank::measure(const at::Tensor& table, const Interactions& wanted,
                             const Interactions& masked, Execution& execution) {
  return add_over_ranks(
      operators(table.device())
          .evaluate(table, wanted, masked, my_users(wanted), shared_->settings.ks),
      execution);
}

MetricSums KgatRank::baseline(const Interactions& wanted, const Interactions& masked,
                              Execution& execution) const {
  return add_over_ranks(evaluate_popularity(shared_->data.train, shared_->graph->n_items, wanted,
                                            masked, my_users(wanted), shared_->settings.ks),
                        execution);
}

void KgatRank::append(Evaluation& evaluation, const std::string& prefix, const MetricSums& sums,
                      const MetricSums& baseline) {
  for (const auto& [name, value] : sums.averages()) {
    evaluation.metrics.push_back({prefix + name, value, baseline.average(name)});
  }
}

at::Tensor KgatRank::table(Execution& execution) {
  const CfWork whole{
      std::make_shared<const Frontier>(shared_->frontiers->whole(shared_->settings.layers())),
      nullptr};
  return at::cat(propagate(operators(execution.device()).propagation(whole), 0, execution), 1);
}

at::Tensor KgatRank::representations(Execution& execution) { return table(execution).to(at::kCPU); }

Evaluation KgatRank::evaluate(Execution& execution) {
  const Dataset& data = shared_->data;
  const at::Tensor table = this->table(execution);
  if (test_baseline_.ks.empty()) {
    test_baseline_ = baseline(data.test, shared_->known, execution);
    validation_baseline_ = baseline(data.validation, data.train, execution);
  }
  Evaluation evaluation;
  evaluation.trivial = "popularity";
  append(evaluation, "", measure(table, data.test, shared_->known, execution), test_baseline_);
  const bool has_validation = data.validation.size() > 0;
  if (has_validation) {
    append(evaluation, "validation_", measure(table, data.validation, data.train, execution),
           validation_baseline_);
  }
  const std::string watched = "recall@" + std::to_string(shared_->settings.ks.front());
  const bool by_validation = has_validation && !shared_->settings.stop_on_test;
  evaluation.watched = (by_validation ? "validation_" : "") + watched;
  return evaluation;
}

}  // namespace

std::unique_ptr<trainhost::ModelRank> make_kgat_rank(std::shared_ptr<const Shared> shared, int rank,
                                                     int world) {
  return std::make_unique<KgatRank>(std::move(shared), rank, world);
}

}  // namespace kgat
