// KgatRank: one rank's losses, attention refresh and evaluation.
#include <ATen/ops/cat.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <optional>

#include "batches.h"
#include "composed.h"
#include "evaluation.h"
#include "functions.h"
#include "model.h"
#include "workspace.h"

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
  Tensors propagate(const std::shared_ptr<const Frontier>& frontier, std::int64_t step,
                    Execution& execution);
  at::Tensor new_attention(const UnitTensors& unit);
  LayerResult layer(const std::shared_ptr<const Frontier>& frontier, int l, const Dropout& dropout,
                    const UnitTensors& unit, const at::Tensor& x);
  const Adjacency& adjacency(const at::Tensor& values);
  /// Whether KGAT's kernels cannot, or are not to, work on this tensor.
  bool composed(const at::Tensor& tensor) const {
    return shared_->settings.composed || !tensor.is_cpu();
  }
  const composed::Pattern& pattern(at::Device device);
  MetricSums measure(const at::Tensor& table, const Interactions& wanted,
                     const Interactions& masked, Execution& execution) const;
  MetricSums baseline(const Interactions& wanted, const Interactions& masked,
                      Execution& execution) const;
  std::vector<std::int32_t> my_users(const Interactions& wanted) const;
  MetricSums add_over_ranks(const MetricSums& mine, Execution& execution) const;
  static void append(Evaluation& evaluation, const std::string& prefix, const MetricSums& sums,
                     const MetricSums& baseline);

  const std::shared_ptr<const Shared> shared_;
  const int rank_, world_;
  Workspace workspace_;
  Adjacency adjacency_;
  const void* adjacency_of_ = nullptr;   // the attention values it was made of,
  std::uint32_t adjacency_version_ = 0;  // and their version
  std::optional<composed::Pattern> pattern_;
  MetricSums test_baseline_, validation_baseline_;
};

const Adjacency& KgatRank::adjacency(const at::Tensor& values) {
  const auto version = static_cast<std::uint32_t>(values._version());
  if (adjacency_of_ != values.const_data_ptr() || adjacency_version_ != version) {
    adjacency_ = Adjacency::make(shared_->graph, values);
    adjacency_of_ = values.const_data_ptr();
    adjacency_version_ = version;
  }
  return adjacency_;
}

const composed::Pattern& KgatRank::pattern(at::Device device) {
  if (!pattern_) pattern_ = composed::Pattern::make(shared_->graph, device);
  return *pattern_;
}

at::Tensor KgatRank::new_attention(const UnitTensors& unit) {
  const at::Tensor& table = unit.borrowed(0);
  if (!composed(table)) {
    return attention(*shared_->graph, table, unit.parameter(0), unit.parameter(1));
  }
  return composed::attention(pattern(table.device()), table, unit.parameter(0), unit.parameter(1));
}

LayerResult KgatRank::layer(const std::shared_ptr<const Frontier>& frontier, int l,
                            const Dropout& dropout, const UnitTensors& unit, const at::Tensor& x) {
  const LayerShape shape = shared_->settings.layer(l);
  LayerParameters weights{unit.parameter(0), unit.parameter(1), {}, {}};
  if (shape.two_products()) {
    weights.w2 = unit.parameter(2);
    weights.b2 = unit.parameter(3);
  }
  if (composed(x)) {
    return composed::propagate_layer(pattern(x.device()), unit.borrowed(0), *frontier, l, shape,
                                     dropout, weights, x);
  }
  return propagate_layer(adjacency(unit.borrowed(0)), frontier, l, shape, dropout, weights, x,
                         workspace_);
}

Tensors KgatRank::propagate(const std::shared_ptr<const Frontier>& frontier, std::int64_t step,
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
          const LayerResult result =
              layer(frontier, l, dropout, unit, l == 1 ? unit.borrowed(1) : inputs[0]);
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
  const Tensors parts = propagate(work->frontier, batch.slice.global_step, execution);
  const double l2 = shared_->settings.cf_l2;
  return composed(parts.front()) ? composed::cf_loss_sum(*work->rows, l2, parts)
                                 : cf_loss_sum(work->rows, l2, parts);
}

at::Tensor KgatRank::kg_loss(const Batch& batch, Execution& execution) {
  const auto samples = std::static_pointer_cast<const KgBatch>(batch.extra);
  return execution.run(
      kTransRUnit,
      [=, this](const UnitTensors& unit, const Tensors&) {
        const double l2 = shared_->settings.kg_l2;
        const at::Tensor &table = unit.borrowed(0), &relations = unit.parameter(0),
                         &matrices = unit.parameter(1);
        constexpr auto kForm = TableGradient::kRows;
        return Tensors{
            composed(table)
                ? composed::kg_loss_sum(*samples, l2, kForm, table, relations, matrices)
                : kg_loss_sum(*samples, l2, kForm, table, relations, matrices, workspace_)};
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
                             const Interactions& masked, Execution& execution) const {
  const float* rows = table.const_data_ptr<float>();
  const auto d = static_cast<std::int32_t>(table.size(1));
  const Graph& graph = *shared_->graph;
  const Ranking ranking{rows + std::ptrdiff_t{graph.n_entities} * d, rows, graph.n_items, d};
  return add_over_ranks(
      kgat::evaluate(ranking, wanted, masked, my_users(wanted), shared_->settings.ks), execution);
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

at::Tensor KgatRank::representations(Execution& execution) {
  const auto whole =
      std::make_shared<const Frontier>(shared_->frontiers->whole(shared_->settings.layers()));
  return at::cat(propagate(whole, 0, execution), 1).to(at::kCPU);
}

Evaluation KgatRank::evaluate(Execution& execution) {
  const Dataset& data = shared_->data;
  const at::Tensor table = representations(execution);
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
