#include "declare.h"

#include <ATen/ops/empty.h>

#include <cmath>
#include <string>

#include "trainhost/random.h"

namespace transformer {
namespace {

using namespace trainhost;

/// Element i is bound · (2u − 1), u uniform over [0, 1) with 24 bits: word i % 4 of block i / 4.
Initializer uniform(const std::string& name, double bound, std::uint64_t seed) {
  return [=](at::Tensor& out) {
    const Random random(seed, "transformer.init/" + name);
    const at::Tensor values = at::empty(out.sizes(), at::TensorOptions(at::kFloat));
    float* value = values.mutable_data_ptr<float>();
    const auto scale = static_cast<float>(bound);
    const std::int64_t count = values.numel();
    for (std::int64_t i = 0; i < count; i += 4) {
      const auto block = random.block(0, 0, static_cast<std::uint64_t>(i / 4));
      for (std::int64_t j = i; j < std::min(count, i + 4); ++j) {
        const float u = static_cast<float>(block[static_cast<std::size_t>(j - i)] >> 8) * 0x1p-24F;
        value[j] = scale * (2 * u - 1);
      }
    }
    out.copy_(values);
  };
}

Initializer constant(double value) {
  return [=](at::Tensor& out) { out.fill_(value); };
}

class Unit {
 public:
  Unit(std::string name, const Settings& settings, std::uint64_t seed)
      : dtype_(settings.dtype), seed_(seed) {
    spec_.name = std::move(name);
  }

  /// Variance 1 / inputs.
  void matrix(const std::string& name, std::int64_t outputs, std::int64_t inputs) {
    weight(name, {outputs, inputs}, std::sqrt(3.0 / static_cast<double>(inputs)));
  }
  void weight(const std::string& name, std::vector<std::int64_t> shape, double bound) {
    spec_.parameters.push_back(
        {name, std::move(shape), uniform(spec_.name + "/" + name, bound, seed_), dtype_});
  }
  void undecayed(const std::string& name, std::int64_t size, double value) {
    ParameterSpec& parameter = spec_.parameters.emplace_back();
    parameter.name = name;
    parameter.shape = {size};
    parameter.dtype = dtype_;
    parameter.initialize = constant(value);
    parameter.group = kNoDecay;
  }
  void linear(const std::string& name, std::int64_t outputs, std::int64_t inputs) {
    matrix(name, outputs, inputs);
    undecayed(name + "_bias", outputs, 0);
  }
  void norm(const std::string& name, std::int64_t size) {
    undecayed(name, size, 1);
    undecayed(name + "_bias", size, 0);
  }
  void buffer(const std::string& name, std::int64_t size, at::ScalarType dtype) {
    spec_.buffers.push_back({name, {size}, constant(0), dtype});
  }
  UnitSpec& spec() { return spec_; }

 private:
  const at::ScalarType dtype_;
  const std::uint64_t seed_;
  UnitSpec spec_;
};

UnitSpec layer(const Settings& s, std::int64_t index, std::uint64_t seed) {
  Unit unit("layer" + std::to_string(index), s, seed);
  unit.linear("qkv", 3 * s.width, s.width);
  unit.linear("out", s.width, s.width);
  unit.norm("norm1", s.width);
  unit.linear("up", s.feed_forward, s.width);
  unit.linear("down", s.width, s.feed_forward);
  unit.norm("norm2", s.width);
  return unit.spec();
}

UnitSpec head(const Settings& s, std::uint64_t seed) {
  Unit unit("head", s, seed);
  unit.linear("pooler", s.width, s.width);
  unit.linear("classifier", s.classes, s.width);
  unit.buffer("centre", s.width, at::kFloat);
  unit.buffer("pooled_sum", s.width, at::kDouble);
  unit.buffer("pooled_count", 1, at::kDouble);
  return unit.spec();
}

}  // namespace

SyncBatchNorm declare_norm(const Settings& s, UnitSpec& unit) {
  unit.name = "pooled_norm";
  return {unit, norm_unit(s), "norm", s.width, {}, kNoDecay};
}

ModelSpec declare(const Settings& s, std::uint64_t seed) {
  ModelSpec spec;
  Unit embedding("embedding", s, seed);
  embedding.weight("token", {s.vocabulary, s.width}, 1.0 / std::sqrt(static_cast<double>(s.width)));
  embedding.weight("position", {s.tokens, s.width}, 1.0 / std::sqrt(static_cast<double>(s.width)));
  embedding.norm("norm", s.width);
  spec.units.push_back(embedding.spec());
  for (std::int64_t l = 0; l < s.layers; ++l) spec.units.push_back(layer(s, l, seed));
  Unit adapter("adapter", s, seed);
  adapter.linear("weight", s.width, s.width);
  spec.units.push_back(adapter.spec());
  spec.units.push_back(head(s, seed));
  Unit vocabulary("vocabulary", s, seed);
  vocabulary.undecayed("bias", s.vocabulary, 0);
  vocabulary.spec().borrows = {"embedding/token"};
  spec.units.push_back(vocabulary.spec());
  if (s.batch_norm) declare_norm(s, spec.units.emplace_back());
  spec.groups = {{kNoDecay, 1, 0}};
  return spec;
}

}  // namespace transformer
