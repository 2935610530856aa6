#include "sbert/softmax_loss.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/empty.h>

#include <cmath>
#include <string>

#include "sbert/full_precision.h"
#include "trainhost/random.h"

namespace sbert {
namespace {

using trainhost::Tensors;
using trainhost::UnitTensors;

constexpr std::size_t kWeight = 0, kBias = 1;

trainhost::Initializer uniform(const std::string& name, double bound, std::uint64_t seed) {
  return [=](at::Tensor& out) {
    const trainhost::Random random(seed, "sbert.init/" + name);
    auto cursor = random.at(0, 0, 0);
    const at::Tensor values = at::empty(out.sizes(), at::TensorOptions(at::kFloat));
    float* value = values.mutable_data_ptr<float>();
    for (std::int64_t i = 0; i < values.numel(); ++i) {
      value[i] = static_cast<float>(bound * (2 * static_cast<double>(cursor.uniform()) - 1));
    }
    out.copy_(values);
  };
}

}  // namespace

trainhost::UnitSpec classifier_unit(std::int64_t dimension, std::int64_t classes,
                                    std::uint64_t seed) {
  const double bound = 1 / std::sqrt(3.0 * static_cast<double>(dimension));
  trainhost::UnitSpec unit{.name = "classifier"};
  unit.parameters.push_back(
      {"weight", {classes, 3 * dimension}, uniform("classifier/weight", bound, seed)});
  unit.parameters.push_back({"bias", {classes}, uniform("classifier/bias", bound, seed)});
  return unit;
}

trainhost::Loss SoftmaxLoss::of(const Columns& columns, trainhost::Execution& execution) const {
  const FullPrecision precision;
  const at::Tensor &u = columns.embeddings[0], &v = columns.embeddings[1];
  const auto classify = [](const UnitTensors& unit, const Tensors& in) {
    const FullPrecision inside;
    const auto type = in[0].scalar_type();
    return Tensors{
        at::addmm(unit.parameter(kBias).to(type), in[0], unit.parameter(kWeight).to(type).t())};
  };
  const at::Tensor logits = execution.run(unit_, classify, {at::cat({u, v, (u - v).abs()}, 1)})[0];
  return {at::cross_entropy_loss(logits, columns.labels.to(at::kLong), {}, at::Reduction::Sum),
          static_cast<double>(columns.rows())};
}

}  // namespace sbert
