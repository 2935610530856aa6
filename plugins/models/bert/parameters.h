// The units of an encoder and the order of their parameters.
//
// Query, key and value are one parameter of 3 · hidden rows, so that one product serves them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "bert/config.h"

namespace bert {

/// Biases and LayerNorms: no weight decay.
inline constexpr const char* kNoDecay = "no_decay";

enum EmbeddingParameter : std::size_t {
  kWords,      // [vocabulary, hidden]
  kPositions,  // [positions, hidden]
  kTypes,      // [types, hidden]
  kEmbeddingNorm,
  kEmbeddingNormBias,
  kEmbeddingParameters
};

enum LayerParameter : std::size_t {
  kQkv,  // [3 · hidden, hidden]
  kQkvBias,
  kOutput,  // [hidden, hidden]
  kOutputBias,
  kNorm1,
  kNorm1Bias,
  kUp,  // [intermediate, hidden]
  kUpBias,
  kDown,  // [hidden, intermediate]
  kDownBias,
  kNorm2,
  kNorm2Bias,
  kLayerParameters
};

enum PoolerParameter : std::size_t { kPooler, kPoolerBias, kPoolerParameters };

// Units of an encoder, counted from its first one.
inline constexpr int kEmbeddingUnit = 0;
inline constexpr int kFirstLayerUnit = 1;
inline int pooler_unit(const Config& config) {
  return kFirstLayerUnit + static_cast<int>(config.layers);
}
inline int unit_count(const Config& config) { return pooler_unit(config) + 1; }

/// A parameter as it is declared.
struct Parameter {
  std::string unit, name;
  std::vector<std::int64_t> shape;
};
/// Of unit `unit` (from 0), in order.
std::vector<Parameter> parameters_of(const Config& config, int unit);

/// A tensor as Hugging Face names it: rows [first_row, first_row + shape[0]) of one of our
/// parameters.
struct HfTensor {
  std::string name;  ///< "encoder.layer.0.attention.self.query.weight"
  int unit = 0;      ///< counted from the encoder's first unit
  std::size_t parameter = 0;
  std::int64_t first_row = 0;
  std::vector<std::int64_t> shape;
};
/// All of a BertModel's, in the order of its state_dict.
std::vector<HfTensor> hf_tensors(const Config& config);

}  // namespace bert
