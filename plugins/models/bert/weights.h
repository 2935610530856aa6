// Weights: where an encoder's parameters start from: a model directory, or random numbers.
//
// Purpose: fills one parameter at a time, so that no rank needs to hold the whole model. Owner: the
// model that declares the encoder; initialisers share the mapped file. Threads and ranks:
// immutable. Errors: Error (Failure::kUser) with file, tensor, expected and got.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "bert/config.h"
#include "bert/parameters.h"
#include "trainhost/safetensors.h"
#include "trainhost/unit.h"

namespace bert {

class Weights {
 public:
  /// FOLDER/model.safetensors with Hugging Face's names, with or without a leading "bert."; fp32,
  /// fp16 or bf16 in the file, fp32 here. All tensors are checked at once. A pooler that the file
  /// does not have starts from `seed`, as from_seed's does; tensors of no use to an encoder
  /// (embeddings.position_ids, a head) are passed over.
  static Weights from_directory(const Config& config, const std::string& folder,
                                std::uint64_t seed);
  /// Matrices normal(0, initializer_range), biases 0, LayerNorms 1 and 0; keyed by seed and the
  /// parameter's name.
  static Weights from_seed(const Config& config, std::uint64_t seed);

  /// Fills parameter `parameter` of unit `unit` (from 0).
  trainhost::Initializer initializer(int unit, std::size_t parameter) const;
  /// False where the directory had none: a directory written anew need not have it either.
  bool has_pooler() const { return has_pooler_; }

 private:
  Weights(const Config& config, std::uint64_t seed) : config_(config), seed_(seed) {}
  void open(const std::string& path);
  void check(const HfTensor& tensor) const;

  Config config_;
  std::uint64_t seed_;
  std::shared_ptr<const trainhost::SafetensorsReader> file_;  // shared with initialisers; or null
  std::string prefix_;                                        // "bert." or nothing
  bool has_pooler_ = true;
};

}  // namespace bert
