// Similarities of embeddings, as losses and evaluators use them: larger means more alike.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string_view>

namespace sbert {

enum class Similarity { kCosine, kDot, kEuclidean, kManhattan };

/// "cosine", "dot", "euclidean", "manhattan".
const char* name_of(Similarity similarity);
std::optional<Similarity> similarity_of(std::string_view name);

/// Rows of length 1; a row of length 0 stays so.
at::Tensor normalised(const at::Tensor& rows);

/// [n]: of a[i] and b[i], each [n, d]. A distance comes as its negative. Differentiable, also where
/// the two are equal: there the gradient of a distance is 0.
at::Tensor pair_similarity(Similarity similarity, const at::Tensor& a, const at::Tensor& b);

/// [n, m]: of each a[i] and b[j].
at::Tensor all_similarities(Similarity similarity, const at::Tensor& a, const at::Tensor& b);

}  // namespace sbert
