// Encoder: BERT as units of a model: "embeddings", "encoder.layer.0" …, and the pooler.
//
// Purpose: hidden states of packed sequences. The pooler's parameters are declared, so that a
// directory can be written anew, but frozen and never run. Owner: the model's rank instances.
// Threads and ranks: immutable; encode() is called by each rank's thread.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "bert/config.h"
#include "bert/packed.h"
#include "bert/weights.h"
#include "trainhost/execution.h"
#include "trainhost/unit.h"

namespace bert {

/// How a unit is computed. kAutomatic: fused where it can be, on a CPU in fp32 or bf16.
enum class Kernels { kAutomatic, kComposed };

class Encoder {
 public:
  /// The units are `first_unit` and on of the model: unit_count(config) of them.
  Encoder(const Config& config, int first_unit, Kernels kernels = Kernels::kAutomatic);

  /// Appends the units to `spec`, which has `first_unit` so far, and the group of biases and
  /// LayerNorms that do not decay.
  void declare(const Weights& weights, trainhost::ModelSpec& spec) const;

  /// Hidden states [tokens, hidden]: fp32, or bf16 on a CPU under bf16 autocast. Dropout in
  /// training alone, keyed by `step`.  [collective]
  at::Tensor encode(const Packed& packed, std::uint32_t step,
                    trainhost::Execution& execution) const;

  const Config& config() const { return config_; }

 private:
  const Config config_;
  const int first_unit_;
  const Kernels kernels_;
};

}  // namespace bert
