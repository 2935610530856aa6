#include "sbert/similarity.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/cdist.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/mm.h>

#include <array>
#include <cstdint>

namespace sbert {
namespace {

constexpr double kShortest = 1e-12;
constexpr std::array kNames{"cosine", "dot", "euclidean", "manhattan"};

}  // namespace

const char* name_of(Similarity similarity) { return kNames[static_cast<std::size_t>(similarity)]; }

std::optional<Similarity> similarity_of(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (name == kNames[i]) return static_cast<Similarity>(i);
  }
  return std::nullopt;
}

at::Tensor normalised(const at::Tensor& rows) {
  return rows / at::linalg_vector_norm(rows, 2, {1}, true).clamp_min(kShortest);
}

at::Tensor pair_similarity(Similarity similarity, const at::Tensor& a, const at::Tensor& b) {
  switch (similarity) {
    case Similarity::kDot:
      return (a * b).sum(1);
    case Similarity::kEuclidean:
      return -at::linalg_vector_norm(a - b, 2, {1});
    case Similarity::kManhattan:
      return -(a - b).abs().sum(1);
    case Similarity::kCosine:
      break;
  }
  return (normalised(a) * normalised(b)).sum(1);
}

at::Tensor all_similarities(Similarity similarity, const at::Tensor& a, const at::Tensor& b) {
  switch (similarity) {
    case Similarity::kDot:
      return at::mm(a, b.t());
    case Similarity::kEuclidean:
      return -at::cdist(a, b, 2);
    case Similarity::kManhattan:
      return -at::cdist(a, b, 1);
    case Similarity::kCosine:
      break;
  }
  return at::mm(normalised(a), normalised(b).t());
}

}  // namespace sbert
