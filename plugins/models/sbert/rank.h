// What a rank of SBERT offers beyond the contract, for prediction.
#pragma once

#include "sbert/embedder.h"
#include "trainhost/model.h"

namespace sbert {

class SbertRank : public trainhost::ModelRank {
 public:
  virtual const Embedder& embedder() const = 0;
};

}  // namespace sbert
