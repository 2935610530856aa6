#include "bert/composed.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>

#include "bert/composed_attention.h"

namespace bert::composed {
namespace {

at::Tensor normalised(const Config& config, const at::Tensor& x, const at::Tensor& weight,
                      const at::Tensor& bias) {
  return at::layer_norm(x.to(weight.scalar_type()), {config.hidden}, weight, bias,
                        config.layer_norm_epsilon);
}

}  // namespace

at::Tensor embed(const EmbeddingPass& pass, const trainhost::UnitTensors& unit) {
  const Packed& packed = pass.packed;
  const at::Tensor words = at::embedding(unit.parameter(kWords), packed.ids);
  const at::Tensor types = packed.types.defined()
                               ? at::embedding(unit.parameter(kTypes), packed.types)
                               : unit.parameter(kTypes).narrow(0, 0, 1);
  const at::Tensor sum =
      words + types + at::embedding(unit.parameter(kPositions), packed.positions);
  const at::Tensor x = normalised(pass.config, sum, unit.parameter(kEmbeddingNorm),
                                  unit.parameter(kEmbeddingNormBias));
  return dropped(x, pass.dropout.embeddings(), *packed.sequences);
}

at::Tensor encode_layer(const LayerPass& pass, const trainhost::UnitTensors& unit,
                        const at::Tensor& x) {
  const auto linear = [&](const at::Tensor& input, LayerParameter weight, LayerParameter bias) {
    return at::linear(input, unit.parameter(weight), unit.parameter(bias));
  };
  const at::Tensor context = attend(pass, linear(x, kQkv, kQkvBias));
  const at::Tensor attended = dropped(linear(context, kOutput, kOutputBias),
                                      pass.dropout.attention_output(pass.layer), *pass.sequences);
  const at::Tensor middle =
      normalised(pass.config, x + attended, unit.parameter(kNorm1), unit.parameter(kNorm1Bias));
  const at::Tensor wide = at::gelu(linear(middle, kUp, kUpBias));
  const at::Tensor out =
      dropped(linear(wide, kDown, kDownBias), pass.dropout.output(pass.layer), *pass.sequences);
  return normalised(pass.config, middle + out, unit.parameter(kNorm2), unit.parameter(kNorm2Bias));
}

}  // namespace bert::composed
