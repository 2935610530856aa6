#include "encoder.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>

#include "declare.h"

namespace transformer {
namespace {

constexpr double kMaskedWeight = 0.1;
constexpr int kSitesOfSecond = 1 << 15;  // beyond those of the first sequence of a pair

}  // namespace

at::Tensor Encoder::encode(const Sequences& sequences) {
  const Dropout dropout{
      execution_.random("transformer.dropout"), static_cast<std::uint32_t>(sequences.step),
      static_cast<std::uint64_t>(sequences.first * settings_.tokens),
      execution_.training() ? settings_.dropout : 0, sequences.second ? kSitesOfSecond : 0};
  at::Tensor x =
      execution_.run(kEmbedding,
                     [=, &settings = settings_](const UnitTensors& unit, const Tensors& inputs) {
                       return Tensors{embed(settings, unit, inputs[0], dropout)};
                     },
                     {sequences.ids})[0];
  if (settings_.sync) x = synchronised(x);
  for (std::int64_t l = 0; l < settings_.layers; ++l) {
    x = execution_.run(kFirstLayer + static_cast<int>(l),
                       [=, &settings = settings_](const UnitTensors& unit, const Tensors& inputs) {
                         return Tensors{encode_layer(settings, l, unit, inputs[0], dropout)};
                       },
                       {x})[0];
  }
  return adapted(x, sequences);
}

/// Minus the mean over the tokens of all ranks, which depends on every rank's parameters' use.
at::Tensor Encoder::synchronised(const at::Tensor& x) {
  const at::Tensor sum = execution_.all_reduce(x.sum(0));
  double count[1] = {static_cast<double>(x.size(0))};
  execution_.sum_over_ranks(count);
  return x - sum / std::max(1.0, count[0]);
}

at::Tensor Encoder::adapted(const at::Tensor& x, const Sequences& sequences) {
  const std::int64_t n = sequences.rows();
  at::Tensor marked = at::ones({n}, x.options());
  bool used = settings_.adapter == Adapter::kAlways;
  if (settings_.adapter == Adapter::kOdd) {
    used = execution_.training() && sequences.step % 2 == 1;
  } else if (settings_.adapter == Adapter::kTokens) {
    marked = sequences.labels.eq(0).to(x.scalar_type());
    used = n > 0 && marked.sum().item<double>() > 0;
  }
  // Where ranks may differ all of them run the unit; the parameters are read by some alone.
  if (!used && settings_.adapter != Adapter::kTokens) return x;
  return execution_.run(
      adapter_unit(settings_),
      [=, &settings = settings_](const UnitTensors& unit, const Tensors& inputs) {
        return Tensors{used ? adapt(settings, unit, inputs[0], marked) : inputs[0]};
      },
      {x})[0];
}

Pooled Encoder::pool(const at::Tensor& x, bool with_logits) {
  Tensors out = execution_.run(
      head_unit(settings_),
      [=, &settings = settings_](const UnitTensors& unit, const Tensors& inputs) {
        Pooled pooled = transformer::pool(settings, unit, inputs[0], with_logits);
        return with_logits ? Tensors{pooled.values, pooled.logits} : Tensors{pooled.values};
      },
      {x});
  return {out[0], with_logits ? out[1] : at::Tensor()};
}

at::Tensor Encoder::masked_loss(const at::Tensor& x, const at::Tensor& places,
                                const at::Tensor& wanted) {
  if (settings_.masked == 0) return at::full({}, 0, x.options());
  const at::Tensor sum =
      execution_.run(vocabulary_unit(settings_),
                     [=](const UnitTensors& unit, const Tensors& inputs) {
                       return Tensors{transformer::masked_loss(unit, inputs[0], inputs[1])};
                     },
                     {x.index_select(0, places.reshape(-1)), wanted.reshape(-1)})[0];
  return sum * (kMaskedWeight / static_cast<double>(settings_.masked));
}

}  // namespace transformer
