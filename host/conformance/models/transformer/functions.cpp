#include "functions.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tanh.h>

#include <cmath>

#include "declare.h"

namespace transformer {
namespace {

constexpr double kNormEpsilon = 1e-5;

/// Parameters may be of 16 bits; what is computed with them is not.
at::Tensor own(const UnitTensors& unit, std::size_t index) {
  return unit.parameter(index).to(at::kFloat);
}

at::Tensor linear(const UnitTensors& unit, std::size_t weight, const at::Tensor& x) {
  return at::addmm(own(unit, weight + 1), x, own(unit, weight).t());
}

at::Tensor norm(const Settings& s, const UnitTensors& unit, std::size_t weight,
                const at::Tensor& x) {
  return at::layer_norm(x, {s.width}, own(unit, weight), own(unit, weight + 1), kNormEpsilon);
}

/// Scaled dot-product attention over all heads: x [n · tokens, width].
at::Tensor attend(const Settings& s, const UnitTensors& unit, const at::Tensor& x) {
  const std::int64_t n = x.size(0) / s.tokens;
  const at::Tensor all = linear(unit, kQkv, x)
                             .view({n, s.tokens, 3, s.heads, s.head_width()})
                             .permute({2, 0, 3, 1, 4})
                             .contiguous()
                             .view({3, n * s.heads, s.tokens, s.head_width()});
  const double scale = 1.0 / std::sqrt(static_cast<double>(s.head_width()));
  const at::Tensor weights = at::softmax(at::bmm(all[0] * scale, all[1].transpose(1, 2)), -1);
  const at::Tensor context = at::bmm(weights, all[2])
                                 .view({n, s.heads, s.tokens, s.head_width()})
                                 .transpose(1, 2)
                                 .contiguous()
                                 .view({n * s.tokens, s.width});
  return linear(unit, kOut, context);
}

int site_of(std::int64_t layer, int place) { return static_cast<int>(1 + 2 * layer) + place; }

}  // namespace

at::Tensor embed(const Settings& s, const UnitTensors& unit, const at::Tensor& ids,
                 const Dropout& dropout) {
  const at::Tensor x = at::embedding(own(unit, kTokenTable), ids) + own(unit, kPositions);
  return dropout.apply(norm(s, unit, kEmbeddingNorm, x.view({-1, s.width})), 0);
}

at::Tensor encode_layer(const Settings& s, std::int64_t layer, const UnitTensors& unit,
                        const at::Tensor& x, const Dropout& dropout) {
  const at::Tensor attended = dropout.apply(attend(s, unit, x), site_of(layer, 0));
  const at::Tensor middle = norm(s, unit, kNorm1, x + attended);
  const at::Tensor wide = at::gelu(linear(unit, kUp, middle));
  const at::Tensor fed = dropout.apply(linear(unit, kDown, wide), site_of(layer, 1));
  return norm(s, unit, kNorm2, middle + fed);
}

at::Tensor adapt(const Settings& s, const UnitTensors& unit, const at::Tensor& x,
                 const at::Tensor& marked) {
  const std::int64_t n = marked.size(0);
  const at::Tensor change = at::tanh(linear(unit, kAdapterWeight, x)).view({n, s.tokens, s.width});
  return x + (change * marked.view({n, 1, 1})).view({n * s.tokens, s.width});
}

Pooled pool(const Settings& s, const UnitTensors& unit, const at::Tensor& x, bool with_logits) {
  const std::int64_t n = x.size(0) / s.tokens;
  const at::Tensor mean = x.view({n, s.tokens, s.width}).mean(1);
  Pooled out{at::tanh(linear(unit, kPooler, mean)), {}};
  if (with_logits) out.logits = linear(unit, kClassifier, out.values - unit.buffer(kCentre));
  return out;
}

at::Tensor masked_loss(const UnitTensors& unit, const at::Tensor& hidden,
                       const at::Tensor& wanted) {
  const at::Tensor logits =
      at::addmm(own(unit, kVocabularyBias), hidden, unit.borrowed(kTiedTable).to(at::kFloat).t());
  return cross_entropy(logits, wanted);
}

at::Tensor cross_entropy(const at::Tensor& logits, const at::Tensor& labels) {
  return at::cross_entropy_loss(logits, labels, {}, at::Reduction::Sum);
}

at::Tensor normalised(const at::Tensor& rows) {
  return rows / (rows * rows).sum(1, true).add(1e-12).sqrt();
}

}  // namespace transformer
