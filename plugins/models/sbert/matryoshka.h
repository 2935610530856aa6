// Matryoshka: a loss over embeddings cut to several sizes, so that a prefix of an embedding serves
// as one.
//
// Kusupati et al., "Matryoshka Representation Learning", 2022: Σ weight · loss(the first `dim`
// numbers of each embedding, at length 1 again). Each size has the inner loss's collectives.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "sbert/losses.h"

namespace sbert {

class Matryoshka : public LossFunction {
 public:
  /// As many weights as sizes, at least one of each.
  Matryoshka(std::unique_ptr<LossFunction> inner, std::vector<std::int64_t> dims,
             std::vector<double> weights)
      : inner_(std::move(inner)), dims_(std::move(dims)), weights_(std::move(weights)) {}

  trainhost::Loss of(const Columns& columns, trainhost::Execution& execution) const override;

 private:
  const std::unique_ptr<LossFunction> inner_;
  const std::vector<std::int64_t> dims_;
  const std::vector<double> weights_;
};

}  // namespace sbert
