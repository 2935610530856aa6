// An execution without a host, and sequences to encode.
#pragma once

#include <ATen/autocast_mode.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <map>
#include <string>
#include <vector>

#include "bert/encoder.h"
#include "trainhost/execution.h"

namespace bert::testing {

/// One rank that holds all parameters as leaves.
class Alone : public trainhost::Execution {
 public:
  Alone(const trainhost::ModelSpec& spec, bool training) : training_(training) {
    for (const trainhost::UnitSpec& unit : spec.units) {
      names_.emplace_back();
      units_.emplace_back();
      for (const trainhost::ParameterSpec& parameter : unit.parameters) {
        at::Tensor value = at::empty(parameter.shape, at::TensorOptions(parameter.dtype));
        parameter.initialize(value);
        value.requires_grad_(parameter.requires_grad);
        names_.back().push_back(trainhost::full_name(unit, parameter.name));
        units_.back().push_back(value);
      }
    }
  }

  trainhost::Tensors run(int unit, const trainhost::UnitFunction& function,
                         const trainhost::Tensors& inputs) override {
    const auto at = static_cast<std::size_t>(unit);
    return function(trainhost::UnitTensors(units_[at], {}, {}), inputs);
  }
  void backward(const trainhost::Tensors&, const trainhost::Tensors&, bool) override {}
  at::Tensor all_gather(const at::Tensor& rows, std::span<const std::int64_t>) override {
    return rows;
  }
  at::Tensor reduce_scatter(const at::Tensor& rows, std::span<const std::int64_t>) override {
    return rows;
  }
  at::Tensor all_reduce(const at::Tensor& value) override { return value; }
  void sum_over_ranks(std::span<double>) override {}
  bool training() const override { return training_; }
  int rank() const override { return 0; }
  int world() const override { return 1; }
  at::Device device() const override { return at::kCPU; }
  trainhost::Random random(std::string_view stream) const override { return {7, stream}; }

  std::vector<at::Tensor>& unit(int index) { return units_[static_cast<std::size_t>(index)]; }
  /// Gradients by full name, of the parameters that have one; and forgets them.
  std::map<std::string, at::Tensor> take_gradients() {
    std::map<std::string, at::Tensor> out;
    for (std::size_t u = 0; u < units_.size(); ++u) {
      for (std::size_t p = 0; p < units_[u].size(); ++p) {
        if (!units_[u][p].grad().defined()) continue;
        out[names_[u][p]] = units_[u][p].grad();
        units_[u][p].mutable_grad() = at::Tensor();
      }
    }
    return out;
  }

 private:
  const bool training_;
  std::vector<std::vector<at::Tensor>> units_;
  std::vector<std::vector<std::string>> names_;
};

/// Autocast to `type` on the CPU, as the host enables it around a loss.
class Autocast {
 public:
  explicit Autocast(at::ScalarType type) {
    at::autocast::set_autocast_enabled(at::kCPU, type != at::kFloat);
    if (type != at::kFloat) at::autocast::set_autocast_dtype(at::kCPU, type);
    at::autocast::set_autocast_cache_enabled(false);
  }
  ~Autocast() {
    at::autocast::set_autocast_enabled(at::kCPU, false);
    at::autocast::set_autocast_cache_enabled(true);
  }
};

/// Sequences of random tokens of the given lengths; keys count from `first_key`.
inline Packed random_sequences(const Config& config, const std::vector<std::int64_t>& lengths,
                               std::uint64_t first_key = 0, bool with_types = false) {
  std::vector<std::vector<std::int32_t>> texts;
  std::vector<std::vector<std::uint8_t>> types;
  std::vector<std::uint64_t> keys;
  const trainhost::Random random(3, "test.tokens");
  for (const std::int64_t length : lengths) {
    keys.push_back(first_key + keys.size());
    auto cursor = random.at(0, 0, keys.back());
    texts.emplace_back();
    types.emplace_back();
    for (std::int64_t t = 0; t < length; ++t) {
      texts.back().push_back(
          static_cast<std::int32_t>(cursor.bounded(static_cast<std::uint32_t>(config.vocabulary))));
      types.back().push_back(
          static_cast<std::uint8_t>(cursor.bounded(static_cast<std::uint32_t>(config.types))));
    }
  }
  const std::vector<std::span<const std::int32_t>> text_spans(texts.begin(), texts.end());
  std::vector<std::span<const std::uint8_t>> type_spans;
  if (with_types) type_spans.assign(types.begin(), types.end());
  return pack(text_spans, keys, type_spans);
}

}  // namespace bert::testing
