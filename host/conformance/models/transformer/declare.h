// The parameters, buffers and groups of the test model.
#pragma once

#include <cstdint>

#include "settings.h"
#include "trainhost/sync_batch_norm.h"
#include "trainhost/unit.h"

namespace transformer {

/// Biases and norms, which do not decay.
inline constexpr const char* kNoDecay = "no_decay";

// The order of each unit's parameters, then of the head's buffers and the vocabulary's borrows.
enum EmbeddingTensor { kTokenTable, kPositions, kEmbeddingNorm, kEmbeddingNormBias };
enum LayerTensor {
  kQkv,
  kQkvBias,
  kOut,
  kOutBias,
  kNorm1,
  kNorm1Bias,
  kUp,
  kUpBias,
  kDown,
  kDownBias,
  kNorm2,
  kNorm2Bias
};
enum AdapterTensor { kAdapterWeight, kAdapterBias };
enum HeadTensor { kPooler, kPoolerBias, kClassifier, kClassifierBias };
enum HeadBuffer { kCentre, kPooledSum, kPooledCount };
enum VocabularyTensor { kVocabularyBias };
enum VocabularyBorrow { kTiedTable };

/// The normalisation of pooled rows, declared in `unit`, which is number norm_unit().
trainhost::SyncBatchNorm declare_norm(const Settings& settings, trainhost::UnitSpec& unit);

trainhost::ModelSpec declare(const Settings& settings, std::uint64_t seed);

}  // namespace transformer
