// What the functions of an encoder's units capture: by value, for they may run again in backward.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "bert/config.h"
#include "bert/dropout.h"
#include "bert/packed.h"
#include "bert/parameters.h"
#include "trainhost/execution.h"

namespace bert {

struct EmbeddingPass {
  Config config;
  Packed packed;
  Dropout dropout;
};

struct LayerPass {
  Config config;
  std::int64_t layer;                          ///< from 0
  std::shared_ptr<const Sequences> sequences;  ///< shared with the batch
  at::Tensor starts;                           ///< Packed::starts
  Dropout dropout;
};

}  // namespace bert
