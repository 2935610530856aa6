#include "bert/parameters.h"

namespace bert {
namespace {

std::vector<Parameter> embedding_parameters(const Config& c) {
  const std::string unit = "embeddings";
  return {{unit, "word_embeddings.weight", {c.vocabulary, c.hidden}},
          {unit, "position_embeddings.weight", {c.positions, c.hidden}},
          {unit, "token_type_embeddings.weight", {c.types, c.hidden}},
          {unit, "LayerNorm.weight", {c.hidden}},
          {unit, "LayerNorm.bias", {c.hidden}}};
}

std::vector<Parameter> layer_parameters(const Config& c, const std::string& unit) {
  return {{unit, "attention.self.qkv.weight", {3 * c.hidden, c.hidden}},
          {unit, "attention.self.qkv.bias", {3 * c.hidden}},
          {unit, "attention.output.dense.weight", {c.hidden, c.hidden}},
          {unit, "attention.output.dense.bias", {c.hidden}},
          {unit, "attention.output.LayerNorm.weight", {c.hidden}},
          {unit, "attention.output.LayerNorm.bias", {c.hidden}},
          {unit, "intermediate.dense.weight", {c.intermediate, c.hidden}},
          {unit, "intermediate.dense.bias", {c.intermediate}},
          {unit, "output.dense.weight", {c.hidden, c.intermediate}},
          {unit, "output.dense.bias", {c.hidden}},
          {unit, "output.LayerNorm.weight", {c.hidden}},
          {unit, "output.LayerNorm.bias", {c.hidden}}};
}

void append_layer(const Config& c, int unit, std::vector<HfTensor>& out) {
  const std::vector<Parameter> own = parameters_of(c, unit);
  const std::string prefix = own.front().unit + ".";
  const char* const parts[] = {"query", "key", "value"};
  for (std::int64_t part = 0; part < 3; ++part) {
    const std::string name = prefix + "attention.self." + parts[part];
    out.push_back({name + ".weight", unit, kQkv, part * c.hidden, {c.hidden, c.hidden}});
    out.push_back({name + ".bias", unit, kQkvBias, part * c.hidden, {c.hidden}});
  }
  for (std::size_t p = kOutput; p < kLayerParameters; ++p) {
    out.push_back({prefix + own[p].name, unit, p, 0, own[p].shape});
  }
}

}  // namespace

std::vector<Parameter> parameters_of(const Config& config, int unit) {
  if (unit == kEmbeddingUnit) return embedding_parameters(config);
  if (unit == pooler_unit(config)) {
    return {{"pooler", "dense.weight", {config.hidden, config.hidden}},
            {"pooler", "dense.bias", {config.hidden}}};
  }
  return layer_parameters(config, "encoder.layer." + std::to_string(unit - kFirstLayerUnit));
}

std::vector<HfTensor> hf_tensors(const Config& config) {
  std::vector<HfTensor> out;
  for (int unit = 0; unit < unit_count(config); ++unit) {
    if (unit >= kFirstLayerUnit && unit < pooler_unit(config)) {
      append_layer(config, unit, out);
      continue;
    }
    const std::vector<Parameter> own = parameters_of(config, unit);
    for (std::size_t p = 0; p < own.size(); ++p) {
      out.push_back({own[p].unit + "." + own[p].name, unit, p, 0, own[p].shape});
    }
  }
  return out;
}

}  // namespace bert
