#include "model.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "gpu/library.h"
#include "trainhost/error.h"
#include "trainhost/random.h"

namespace kgat {
namespace {

using trainhost::Host;
using trainhost::ParameterSpec;
using trainhost::Random;
using trainhost::UnitSpec;

/// On CPU an epoch over a stand-in of many edges would take hours; over this share, under a minute.
constexpr int kStandInShare = 50;
constexpr std::int64_t kManyEdges = 300000;

/// Uniform in ±√(6 / (fan_in + fan_out)) (Glorot and Bengio 2010), each row from its own counter.
void fill_xavier(at::Tensor& out, const Random& random, double fans) {
  const auto bound = static_cast<float>(std::sqrt(6.0 / fans));
  const std::int64_t columns = out.size(-1), rows = out.numel() / columns;
  float* values = out.data_ptr<float>();
#pragma omp parallel for
  for (std::int64_t row = 0; row < rows; ++row) {
    auto cursor = random.at(0, 0, static_cast<std::uint64_t>(row));
    for (std::int64_t c = 0; c < columns; ++c) {
      values[row * columns + c] = bound * (2 * cursor.uniform() - 1);
    }
  }
}

/// Initialisers write through pointers; on another device they fill a copy on the CPU.
template <class Fill>
trainhost::Initializer on_host(Fill fill) {
  return [fill = std::move(fill)](at::Tensor& out) {
    if (out.is_cpu()) return fill(out);
    at::Tensor host = at::empty(out.sizes(), out.options().device(at::kCPU));
    fill(host);
    out.copy_(host);
  };
}

trainhost::Initializer xavier(std::uint64_t seed, const std::string& stream, double fans) {
  return on_host([=](at::Tensor& out) { fill_xavier(out, Random(seed, stream), fans); });
}

trainhost::Initializer zeros() {
  return [](at::Tensor& out) { out.zero_(); };
}

std::int32_t share(std::int64_t count, std::int64_t least) {
  return static_cast<std::int32_t>(std::max(count / kStandInShare, least));
}

std::string grouped(std::int64_t number) {
  std::string text = std::to_string(number);
  for (auto at = static_cast<std::ptrdiff_t>(text.size()) - 3; at > 0; at -= 3) {
    text.insert(static_cast<std::size_t>(at), ",");
  }
  return text;
}

}  // namespace

KgatModel::KgatModel(Host& host, const trainhost::Options& model, const trainhost::Options& data)
    : host_(host), shared_(std::make_shared<Shared>()) {
  shared_->settings = read_settings(model, data, host.seed());
  shared_->seed = host.seed();
  predictor_ = make_predictor(shared_);
}

void KgatModel::prepare(bool first) {
  Shared& shared = *shared_;
  open_kernels(first);
  shared.data = open_data();
  shared.known = shared.data.known();
  shared.graph = std::make_shared<const Graph>(Graph::build(shared.data));
  shared.frontiers = std::make_unique<FrontierBuilder>(*shared.graph);
  shared.cf = std::make_unique<CfSampler>(shared.data.train, shared.data.n_items, shared.seed);
  shared.kg = std::make_unique<KgSampler>(*shared.graph, shared.seed);
  if (shared.settings.pretrain.epochs > 0) pretrain(first);
}

/// Kernels for CUDA devices, where the run has such.
void KgatModel::open_kernels(bool first) {
  if (host_.device_kind() != "cuda" || shared_->settings.composed) return;
  const gpu::Library library = gpu::library_beside_plugin();
  shared_->kernels = library.table;
  if (library.table != nullptr || !first) return;
  host_.log(Host::Level::kWarning,
            "KGAT runs on LibTorch's operations, which is slower and takes "
            "more memory: " +
                library.why_not);
}

Dataset KgatModel::open_data() {
  const Settings& settings = shared_->settings;
  if (settings.data_folder.empty()) return make_synthetic(settings.synthetic);
  std::error_code ignored;
  if (!std::filesystem::exists(settings.data_folder, ignored)) return stand_in();
  return read_dataset(settings.data_folder, {settings.validation, shared_->seed});
}

Dataset KgatModel::stand_in() {
  SyntheticOptions options = shared_->settings.synthetic;
  std::string what = "SYNTHETIC DATA: the folder '" + shared_->settings.data_folder +
                     "' does not exist, so a made-up graph stands in for it";
  if (host_.device_kind() == "cpu" && options.n_triples + options.n_interactions > kManyEdges) {
    options.n_users = share(options.n_users, 50);
    options.n_items = share(options.n_items, 50);
    options.n_entities = std::max(share(options.n_entities, 60), options.n_items + 10);
    options.n_triples = share(options.n_triples, 200);
    options.n_interactions = share(options.n_interactions, 500);
    what += ", reduced to 1/" + std::to_string(kStandInShare) + " because it runs on CPU";
  }
  what +=
      ". Results say nothing about real data; set data.dir=FOLDER (train.txt, test.txt, "
      "kg_final.txt)";
  host_.announce_stand_in(what);
  return make_synthetic(options);
}

void KgatModel::pretrain(bool first) {
  const std::uint64_t hash = content_hash(shared_->data);
  const BprCache cache(std::filesystem::path(host_.cache_directory()) / "kgat", hash,
                       shared_->settings.pretrain);
  if (cache.load(start_)) {
    if (first) host_.log(Host::Level::kInfo, "BPR-MF embeddings from " + cache.file().string());
    return;
  }
  start_ = train_bprmf(shared_->data.train, shared_->data.n_items, shared_->settings.pretrain,
                       [&](std::int32_t done, std::int32_t total) {
                         host_.progress("BPR-MF pre-training, epoch", done, total);
                       });
  if (!first) return;
  try {
    cache.store(start_);
  } catch (const std::exception& error) {
    host_.log(Host::Level::kWarning,
              std::string("the pre-trained embeddings could not be kept: ") + error.what());
  }
}

UnitSpec KgatModel::embedding_unit() const {
  const std::int64_t nodes = shared_->graph->n_nodes, dim = shared_->settings.embed_dim;
  const std::int64_t first_user = shared_->graph->n_entities;
  const Random random(shared_->seed, "kgat.init.embedding");
  ParameterSpec table;
  table.name = "entity_user_embed";
  table.shape = {nodes, dim};
  table.row_sparse = true;
  table.initialize = on_host([this, random, nodes, dim, first_user](at::Tensor& out) {
    fill_xavier(out, random, static_cast<double>(nodes + dim));
    float* rows = out.data_ptr<float>();
    std::copy(start_.items.begin(), start_.items.end(), rows);
    std::copy(start_.users.begin(), start_.users.end(), rows + first_user * dim);
  });
  return {"embedding", {table}, {}, {}};
}

UnitSpec KgatModel::transr_unit() const {
  const std::int64_t relations = shared_->graph->n_relations;
  const std::int64_t d = shared_->settings.embed_dim, k = shared_->settings.relation_dim;
  ParameterSpec relation, matrices;
  relation.name = "relation_embed";
  relation.shape = {relations, k};
  relation.initialize =
      xavier(shared_->seed, "kgat.init.relation", static_cast<double>(relations + k));
  matrices.name = "trans_M";
  matrices.shape = {relations, d, k};
  matrices.initialize =
      xavier(shared_->seed, "kgat.init.trans_M", static_cast<double>((relations + d) * k));
  trainhost::BufferSpec attention;
  attention.name = "attention";
  attention.shape = {shared_->graph->n_edges()};
  attention.initialize = on_host([graph = shared_->graph](at::Tensor& out) {
    const std::vector<float> values = initial_values(*graph);
    std::copy(values.begin(), values.end(), out.data_ptr<float>());
  });
  return {"transr", {relation, matrices}, {attention}, {"embedding/entity_user_embed"}};
}

UnitSpec KgatModel::layer_unit(int index) const {
  const LayerShape shape = shared_->settings.layer(index);
  UnitSpec unit{"layer" + std::to_string(index), {}, {}, {"transr/attention"}};
  if (index == 1) unit.borrows.push_back("embedding/entity_user_embed");
  for (int product = 1; product <= (shape.two_products() ? 2 : 1); ++product) {
    const std::string number = std::to_string(product);
    ParameterSpec weight, bias;
    weight.name = "W" + number;
    weight.shape = {shape.d_out, shape.depth()};
    weight.initialize = xavier(shared_->seed, "kgat.init." + unit.name + ".W" + number,
                               shape.d_out + shape.depth());
    bias.name = "b" + number;
    bias.shape = {shape.d_out};
    bias.initialize = zeros();
    unit.parameters.insert(unit.parameters.end(), {weight, bias});
  }
  return unit;
}

trainhost::ModelSpec KgatModel::declare() const {
  trainhost::ModelSpec spec;
  spec.units = {embedding_unit(), transr_unit()};
  for (int l = 1; l <= shared_->settings.layers(); ++l) spec.units.push_back(layer_unit(l));
  return spec;
}

std::vector<trainhost::ObjectiveSpec> KgatModel::objectives() const {
  trainhost::ObjectiveSpec cf{"cf", {kEmbeddingUnit}, {}};
  for (int l = 0; l < shared_->settings.layers(); ++l) cf.units.push_back(kFirstLayerUnit + l);
  return {cf, {"kg", {kEmbeddingUnit, kTransRUnit}, {"embedding/entity_user_embed"}}};
}

std::vector<trainhost::Fact> KgatModel::facts() const {
  const Graph& graph = *shared_->graph;
  return {{"users", grouped(graph.n_users)},
          {"items", grouped(graph.n_items)},
          {"entities", grouped(graph.n_entities)},
          {"relations", grouped(graph.n_relations)},
          {"edges", grouped(graph.n_edges())},
          {"train", grouped(shared_->data.train.size())},
          {"validation", grouped(shared_->data.validation.size())},
          {"test", grouped(shared_->data.test.size())}};
}

std::unique_ptr<trainhost::ModelRank> KgatModel::make_rank(int rank, int world) {
  return make_kgat_rank(shared_, rank, world);
}

void* KgatModel::extension(std::string_view id) {
  return id == trainhost::Predictor::kExtension ? predictor_.get() : nullptr;
}

}  // namespace kgat
