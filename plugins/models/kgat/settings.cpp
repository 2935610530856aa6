#include "settings.h"

#include <algorithm>

#include "trainhost/error.h"

namespace kgat {
namespace {

using trainhost::Error;
using trainhost::Failure;
using trainhost::Options;

Aggregator aggregator_of(const std::string& name) {
  if (name == "gcn") return Aggregator::kGcn;
  if (name == "graphsage") return Aggregator::kGraphSage;
  return Aggregator::kBi;
}

std::vector<std::int32_t> small_integers(const Options& options, const char* key) {
  std::vector<std::int32_t> out;
  for (const std::int64_t value : options.integers(key)) {
    out.push_back(static_cast<std::int32_t>(value));
  }
  return out;
}

SyntheticOptions read_synthetic(const Options& options) {
  SyntheticOptions out;
  const auto integer = [&](const char* key) {
    return static_cast<std::int32_t>(options.integer(key));
  };
  out.n_users = integer("users");
  out.n_items = integer("items");
  out.n_entities = integer("entities");
  out.n_relations = integer("relations");
  out.n_triples = options.integer("triples");
  out.n_interactions = options.integer("interactions");
  out.n_communities = integer("communities");
  out.seed = static_cast<std::uint64_t>(options.integer("seed"));
  return out;
}

}  // namespace

LayerShape Settings::layer(int index) const {
  LayerShape shape;
  shape.aggregator = aggregator;
  shape.d_in = index == 1 ? embed_dim : layer_dims[index - 2];
  shape.d_out = layer_dims[index - 1];
  shape.slope = leaky_slope;
  return shape;
}

Settings read_settings(const Options& model, const Options& data, std::uint64_t seed) {
  Settings out;
  out.embed_dim = static_cast<std::int32_t>(model.integer("embed_dim"));
  out.relation_dim = static_cast<std::int32_t>(model.integer("relation_dim"));
  out.layer_dims = small_integers(model, "layer_dims");
  out.aggregator = aggregator_of(model.text("aggregator"));
  out.dropout = model.real("dropout");
  out.leaky_slope = static_cast<float>(model.real("leaky_slope"));
  out.cf_l2 = model.real("cf_l2");
  out.kg_l2 = model.real("kg_l2");
  out.ks = small_integers(model, "ks");
  out.validation = model.real("validation");
  out.stop_on_test = model.boolean("stop_on_test");
  out.composed = model.text("kernels") == "aten";

  const Options pretrain = model.table("pretrain");
  out.pretrain.epochs = static_cast<std::int32_t>(pretrain.integer("epochs"));
  out.pretrain.lr = pretrain.real("lr");
  out.pretrain.decay = pretrain.real("l2");
  out.pretrain.dim = out.embed_dim;
  out.pretrain.seed = seed;

  if (data.has("dir")) out.data_folder = data.text("dir");
  out.synthetic = read_synthetic(data.table("synthetic"));
  out.synthetic.split = {out.validation, seed};

  if (!std::is_sorted(out.ks.begin(), out.ks.end()) ||
      std::adjacent_find(out.ks.begin(), out.ks.end()) != out.ks.end()) {
    throw Error(Failure::kUser, {.where = model.position("ks").text(),
                                 .what = "'model.ks' must rise",
                                 .expected = "for example {20, 40, 60}"});
  }
  return out;
}

}  // namespace kgat
