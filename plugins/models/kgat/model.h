// KgatModel: KGAT for the host, the part that a process has once: data, graph, pre-trained start.
//
// Purpose: Wang et al., "KGAT: Knowledge Graph Attention Network for Recommendation" (KDD 2019).
// Owner: the host. Threads and ranks: immutable after prepare(); rank instances share it.
#pragma once

#include <memory>
#include <vector>

#include "bprmf.h"
#include "dataset.h"
#include "frontier.h"
#include "gpu/kernels.h"
#include "graph.h"
#include "samplers.h"
#include "settings.h"
#include "trainhost/host.h"
#include "trainhost/model.h"
#include "trainhost/predict.h"

namespace kgat {

/// Units in the order of ModelSpec::units, and what each borrows.
inline constexpr int kEmbeddingUnit = 0;  ///< entity_user_embed
inline constexpr int kTransRUnit = 1;     ///< relation_embed, trans_M, buffer attention
inline constexpr int kFirstLayerUnit = 2;

/// What rank instances share, read-only.
struct Shared {
  Settings settings;
  Dataset data;
  Interactions known;  ///< train and validation
  std::shared_ptr<const Graph> graph;
  std::unique_ptr<FrontierBuilder> frontiers;
  std::unique_ptr<CfSampler> cf;
  std::unique_ptr<KgSampler> kg;
  std::uint64_t seed = 0;
  const gpu::Table* kernels = nullptr;  ///< for the run's GPUs; null: none
};

class KgatModel : public trainhost::Model {
 public:
  KgatModel(trainhost::Host& host, const trainhost::Options& model, const trainhost::Options& data);

  void prepare(bool first) override;
  trainhost::ModelSpec declare() const override;
  std::vector<trainhost::ObjectiveSpec> objectives() const override;
  std::vector<trainhost::Fact> facts() const override;
  std::int64_t training_rows() const override { return shared_->data.train.size(); }
  std::unique_ptr<trainhost::ModelRank> make_rank(int rank, int world) override;
  void* extension(std::string_view id) override;

 private:
  void open_kernels(bool first);
  Dataset open_data();
  Dataset stand_in();
  void pretrain(bool first);
  trainhost::UnitSpec embedding_unit() const;
  trainhost::UnitSpec transr_unit() const;
  trainhost::UnitSpec layer_unit(int index) const;

  trainhost::Host& host_;
  std::shared_ptr<Shared> shared_;
  BprEmbeddings start_;  ///< empty without pre-training
  std::unique_ptr<trainhost::Predictor> predictor_;
};

/// What a rank of KGAT offers beyond the contract, for prediction and export.
class RepresentingRank : public trainhost::ModelRank {
 public:
  /// The concatenated representations (equation 11) of all nodes, entities first, then users, on
  /// the CPU: [n_nodes, embed_dim + sum of layer_dims]. A score is the dot product (equation 12).
  virtual at::Tensor representations(trainhost::Execution& execution) = 0;
};

/// The ModelRank; shares the model's read-only part.
std::unique_ptr<trainhost::ModelRank> make_kgat_rank(std::shared_ptr<const Shared> shared, int rank,
                                                     int world);

/// Recommendations, and what an export says of the model.
std::unique_ptr<trainhost::Predictor> make_predictor(std::shared_ptr<const Shared> shared);

/// The batches of an objective: 0 is `cf`, 1 is `kg`.
std::unique_ptr<trainhost::BatchSource> make_batches(std::shared_ptr<const Shared> shared,
                                                     int objective);

}  // namespace kgat
