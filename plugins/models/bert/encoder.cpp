#include "bert/encoder.h"

#include <ATen/autocast_mode.h>

#include <optional>

#include "bert/composed.h"
#include "bert/fused.h"
#include "trainhost/error.h"

namespace bert {
namespace {

using trainhost::Tensors;
using trainhost::UnitTensors;

/// The type that the fused units compute in here; none where they cannot.
std::optional<at::ScalarType> fused_type(at::Device device, Kernels kernels) {
  if (kernels == Kernels::kComposed || !device.is_cpu()) return std::nullopt;
  if (!at::autocast::is_autocast_enabled(at::kCPU)) return at::kFloat;
  if (at::autocast::get_autocast_dtype(at::kCPU) == at::kBFloat16) return at::kBFloat16;
  return std::nullopt;
}

bool decays(const Parameter& parameter) { return parameter.shape.size() > 1; }

}  // namespace

Encoder::Encoder(const Config& config, int first_unit, Kernels kernels)
    : config_(config), first_unit_(first_unit), kernels_(kernels) {}

void Encoder::declare(const Weights& weights, trainhost::ModelSpec& spec) const {
  if (spec.units.size() != static_cast<std::size_t>(first_unit_)) {
    throw trainhost::Error(trainhost::Failure::kRun,
                           {.where = "bert::Encoder::declare",
                            .what = "the units declared before do not fit",
                            .expected = std::to_string(first_unit_),
                            .got = std::to_string(spec.units.size()),
                            .fix = {}});
  }
  for (int unit = 0; unit < unit_count(config_); ++unit) {
    const std::vector<Parameter> parameters = parameters_of(config_, unit);
    trainhost::UnitSpec& declared = spec.units.emplace_back();
    declared.name = parameters.front().unit;
    for (std::size_t p = 0; p < parameters.size(); ++p) {
      trainhost::ParameterSpec& to = declared.parameters.emplace_back();
      to.name = parameters[p].name;
      to.shape = parameters[p].shape;
      to.initialize = weights.initializer(unit, p);
      to.requires_grad = unit != pooler_unit(config_);
      if (!decays(parameters[p])) to.group = kNoDecay;
    }
  }
  if (trainhost::group_index(spec, kNoDecay) < 0) spec.groups.push_back({kNoDecay, 1, 0});
}

at::Tensor Encoder::encode(const Packed& packed, std::uint32_t step,
                           trainhost::Execution& execution) const {
  const bool training = execution.training();
  const Dropout dropout{execution.random("bert.dropout"), step,
                        training ? config_.hidden_dropout : 0,
                        training ? config_.attention_dropout : 0};
  const auto type = fused_type(execution.device(), kernels_);
  const EmbeddingPass embedding{config_, packed, dropout};
  at::Tensor x = execution.run(first_unit_ + kEmbeddingUnit,
                               [embedding, type](const UnitTensors& unit, const Tensors&) {
                                 return Tensors{type ? fused::embed(embedding, *type, unit)
                                                     : composed::embed(embedding, unit)};
                               },
                               {})[0];
  for (std::int64_t layer = 0; layer < config_.layers; ++layer) {
    const LayerPass pass{config_, layer, packed.sequences, packed.starts, dropout};
    x = execution.run(first_unit_ + kFirstLayerUnit + static_cast<int>(layer),
                      [pass, type](const UnitTensors& unit, const Tensors& inputs) {
                        return Tensors{type ? fused::encode_layer(pass, *type, unit, inputs[0])
                                            : composed::encode_layer(pass, unit, inputs[0])};
                      },
                      {x})[0];
  }
  return x;
}

}  // namespace bert
