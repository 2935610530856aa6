// What the tests of losses share: tensors from goldens, distances, losses measured over ranks.
#pragma once

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "rank_threads.h"
#include "sbert/losses.h"

namespace sbert::testing {

using trainhost::Tensors;

inline nlohmann::json golden(const std::string& name) {
  std::ifstream file(std::string(SBERT_GOLDEN) + "/" + name);
  REQUIRE(file.good());
  return nlohmann::json::parse(file);
}

/// fp64, of any shape.
inline at::Tensor tensor_of(const nlohmann::json& list, const std::vector<std::int64_t>& shape) {
  return at::tensor(list.get<std::vector<double>>(), at::TensorOptions(at::kDouble)).view(shape);
}

inline at::Tensor random(const std::vector<std::int64_t>& shape, std::uint64_t seed,
                         at::ScalarType dtype = at::kDouble) {
  auto generator = at::detail::createCPUGenerator(seed);
  return at::randn(shape, generator, at::TensorOptions(at::kDouble)).to(dtype);
}

inline double distance(const at::Tensor& left, const at::Tensor& right) {
  REQUIRE(left.sizes() == right.sizes());
  if (left.numel() == 0) return 0;
  return (left - right).abs().max().item().toDouble();
}

/// Of all rows: the mean and its gradients by column.
struct Measured {
  double value = 0;
  Tensors gradients;
};

/// All rows, in uneven parts on `world` ranks; `model` is what the loss has of units.
inline Measured measure(const LossFunction& loss, const Tensors& columns, const at::Tensor& labels,
                        int world, const trainhost::ModelSpec& model = {}) {
  const auto rows_of = trainhost::testing::uneven(columns[0].size(0), world);
  std::vector<Tensors> gradients(static_cast<std::size_t>(world));
  std::vector<trainhost::Loss> losses(static_cast<std::size_t>(world));
  const auto errors =
      trainhost::testing::on_ranks(world, model, [&](const trainhost::testing::RankOfTest& at) {
        Columns mine{{}, {}, rows_of};
        for (const at::Tensor& column : columns) {
          mine.embeddings.push_back(
              trainhost::testing::part_of(column, rows_of, at.rank).requires_grad_(true));
        }
        if (labels.defined()) mine.labels = trainhost::testing::part_of(labels, rows_of, at.rank);
        losses[at.rank] = loss.of(mine, at.execution);
        at.execution.backward({losses[at.rank].sum}, {}, true);
        for (const at::Tensor& column : mine.embeddings) {
          gradients[at.rank].push_back(column.grad());
        }
      });
  for (const std::string& error : errors) REQUIRE(error.empty());
  double sum = 0, weight = 0;
  for (const trainhost::Loss& each : losses) {
    sum += each.sum.detach().item().toDouble();
    weight += each.weight;
  }
  Measured out{sum / weight, {}};
  for (std::size_t c = 0; c < columns.size(); ++c) {
    Tensors parts;
    for (const Tensors& of_rank : gradients) parts.push_back(of_rank[c]);
    out.gradients.push_back(at::cat(parts) / weight);
  }
  return out;
}

}  // namespace sbert::testing
