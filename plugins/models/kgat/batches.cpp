// The batches of KGAT's two objectives, worked out on loader threads: samples, and for `cf` also
// the frontier of nodes that each layer has to compute.
#include "batches.h"

#include <ATen/ops/empty.h>

#include <algorithm>

#include "model.h"

namespace kgat {
namespace {

using trainhost::Batch;
using trainhost::BatchSource;
using trainhost::Slice;

class CfBatches : public BatchSource {
 public:
  explicit CfBatches(std::shared_ptr<const Shared> shared) : shared_(std::move(shared)) {}

  std::int64_t steps(std::int64_t, std::int64_t effective) override {
    return shared_->cf->steps_per_epoch(effective);
  }
  std::int64_t rows(std::int64_t, std::int64_t, std::int64_t effective) override {
    return effective;
  }
  Batch load(const Slice& slice, std::int64_t effective) override {
    CfBatch samples;
    shared_->cf->sample(static_cast<std::uint32_t>(slice.global_step), effective, slice.begin,
                        slice.end, samples);
    const Graph& graph = *shared_->graph;
    auto work = std::make_shared<CfWork>();
    work->frontier = std::make_shared<const Frontier>(
        shared_->frontiers->build(nodes_of(graph, samples), shared_->settings.layers()));
    work->rows = std::make_shared<const CfRows>(rows_of(graph, *work->frontier, samples));
    if (shared_->kernels != nullptr) {
      work->plan = std::make_shared<const gpu::BatchPlan>(
          gpu::BatchPlan::make(graph, *work->frontier, work->rows.get(), /*pinned=*/true));
    }
    return {slice, {}, {}, std::move(work)};
  }

 private:
  const std::shared_ptr<const Shared> shared_;
};

class KgBatches : public BatchSource {
 public:
  explicit KgBatches(std::shared_ptr<const Shared> shared) : shared_(std::move(shared)) {}

  std::int64_t steps(std::int64_t, std::int64_t effective) override {
    return shared_->kg->steps_per_epoch(effective);
  }
  std::int64_t rows(std::int64_t, std::int64_t, std::int64_t effective) override {
    return effective;
  }
  Batch load(const Slice& slice, std::int64_t) override {
    auto work = std::make_shared<KgWork>();
    shared_->kg->sample(static_cast<std::uint32_t>(slice.global_step), slice.begin, slice.end,
                        work->samples);
    if (shared_->kernels != nullptr) {
      work->plan = std::make_shared<const gpu::KgPlan>(
          gpu::KgPlan::make(work->samples, shared_->graph->n_relations, /*pinned=*/true));
    }
    const at::Tensor nodes = touched(work->samples);
    return {slice, {}, {{"embedding/entity_user_embed", nodes}}, std::move(work)};
  }

 private:
  static at::Tensor touched(const KgBatch& batch) {
    std::vector<std::int64_t> nodes;
    nodes.reserve(3 * batch.heads.size());
    for (const auto* part : {&batch.heads, &batch.positives, &batch.negatives}) {
      nodes.insert(nodes.end(), part->begin(), part->end());
    }
    std::sort(nodes.begin(), nodes.end());
    nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
    at::Tensor out = at::empty({static_cast<std::int64_t>(nodes.size())}, at::kLong);
    std::copy(nodes.begin(), nodes.end(), out.mutable_data_ptr<std::int64_t>());
    return out;
  }

  const std::shared_ptr<const Shared> shared_;
};

}  // namespace

std::unique_ptr<BatchSource> make_batches(std::shared_ptr<const Shared> shared, int objective) {
  if (objective == 0) return std::make_unique<CfBatches>(std::move(shared));
  return std::make_unique<KgBatches>(std::move(shared));
}

}  // namespace kgat
