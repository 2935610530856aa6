// The fused units equal the composed ones, and packing changes nothing.
#include "bert/encoder.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randn.h>

#include "bert/pooling.h"
#include "encoder_support.h"

namespace {

using namespace bert;
using namespace bert::testing;

Config small(std::int64_t hidden, std::int64_t heads, std::int64_t intermediate) {
  Config config;
  config.vocabulary = 50;
  config.hidden = hidden;
  config.heads = heads;
  config.intermediate = intermediate;
  config.layers = 2;
  config.positions = 512;
  config.initializer_range = 0.2;
  return config;
}

struct Result {
  at::Tensor hidden;
  std::map<std::string, at::Tensor> gradients;
};

struct Setting {
  Kernels kernels = Kernels::kAutomatic;
  at::ScalarType type = at::kFloat;
  bool training = true;
  std::uint32_t step = 5;
};

/// Fixed factors that differ from element to element.
at::Tensor factors_like(const at::Tensor& hidden) {
  const at::Tensor out = at::empty(hidden.sizes(), at::TensorOptions(at::kFloat));
  auto cursor = trainhost::Random(11, "test.factors").at(0, 0, 0);
  for (std::int64_t i = 0; i < out.numel(); ++i)
    out.data_ptr<float>()[i] = 2 * cursor.uniform() - 1;
  return out;
}

Result run(const Config& config, const Packed& packed, const Setting& setting) {
  const Encoder encoder(config, 0, setting.kernels);
  trainhost::ModelSpec spec;
  encoder.declare(Weights::from_seed(config, 9), spec);
  Alone execution(spec, setting.training);
  Result out;
  {
    const Autocast autocast(setting.type);
    out.hidden = encoder.encode(packed, setting.step, execution);
  }
  (out.hidden.to(at::kFloat) * factors_like(out.hidden)).sum().backward();
  out.gradients = execution.take_gradients();
  return out;
}

void check_equal(const Result& left, const Result& right, double tolerance) {
  CHECK(difference(left.hidden, right.hidden) < tolerance);
  REQUIRE(left.gradients.size() == right.gradients.size());
  for (const auto& [name, gradient] : left.gradients) {
    INFO(name);
    CHECK(difference(gradient, right.gradients.at(name)) < tolerance);
  }
}

Setting composed(Setting setting) {
  setting.kernels = Kernels::kComposed;
  return setting;
}

}  // namespace

TEST_CASE("fused units equal composed ones, dropout included") {
  struct Shape {
    std::int64_t hidden, heads, intermediate;
    std::vector<std::int64_t> lengths;
  };
  const auto shape =
      GENERATE(Shape{32, 4, 64, {5, 1, 17, 16, 15, 3}}, Shape{24, 1, 40, {1}},
               Shape{33, 3, 7, {2, 65, 9}}, Shape{30, 2, 50, {64, 128, 1}},
               Shape{16, 16, 16, {7, 7}}, Shape{48, 3, 20, {512}}, Shape{20, 5, 31, {}});
  const bool training = GENERATE(true, false);
  CAPTURE(shape.hidden, shape.heads, shape.lengths, training);
  const Config config = small(shape.hidden, shape.heads, shape.intermediate);
  const Packed packed = random_sequences(config, shape.lengths, 100, true);
  const Setting setting{.training = training};
  const Result fused = run(config, packed, setting);
  check_equal(fused, run(config, packed, composed(setting)), 2e-5);
  CHECK(fused.gradients.size() == 5 + 2 * kLayerParameters);
}

TEST_CASE("fused units in bf16 equal composed ones in fp32 to bf16's precision") {
  const Config config = small(48, 4, 96);
  const Packed packed = random_sequences(config, {12, 30, 3, 1, 70});
  Setting setting{.type = at::kBFloat16};
  const Result fused = run(config, packed, setting);
  CHECK(fused.hidden.scalar_type() == at::kBFloat16);
  for (const auto& [name, gradient] : fused.gradients) CHECK(gradient.scalar_type() == at::kFloat);
  setting.type = at::kFloat;
  const Result exact = run(config, packed, composed(setting));
  CHECK(difference(fused.hidden, exact.hidden) < 2e-2);
  for (const auto& [name, gradient] : fused.gradients) {
    INFO(name);
    const at::Tensor& right = exact.gradients.at(name);
    CHECK((gradient - right).norm().item<double>() < 2e-2 * right.norm().item<double>() + 1e-6);
  }
}

TEST_CASE("rows that fill a bf16 matrix up change nothing") {
  // 20 tokens are filled up to 32, 32 are not: the first sequence comes out the same.
  const Config config = small(32, 2, 48);
  const Setting setting{.type = at::kBFloat16};
  const at::Tensor filled = run(config, random_sequences(config, {20}), setting).hidden;
  const at::Tensor full = run(config, random_sequences(config, {20, 12}), setting).hidden;
  CHECK(filled.sizes() == at::IntArrayRef({20, 32}));
  CHECK(difference(filled, full.narrow(0, 0, 20)) < 1e-2);
}

TEST_CASE("no sequences give no hidden states and gradients of zeros") {
  const auto type = GENERATE(at::kFloat, at::kBFloat16);
  const Config config = small(32, 2, 48);
  const Result result = run(config, random_sequences(config, {}), {.type = type});
  CHECK(result.hidden.sizes() == at::IntArrayRef({0, 32}));
  REQUIRE(result.gradients.size() == 5 + 2 * kLayerParameters);
  for (const auto& [name, gradient] : result.gradients) {
    INFO(name);
    CHECK(gradient.eq(0).all().item<bool>());
  }
}

TEST_CASE("fp16 autocast on a CPU takes the composed units") {
  const Config config = small(32, 4, 64);
  const Packed packed = random_sequences(config, {5, 9});
  const Result half = run(config, packed, {.type = at::kHalf, .training = false});
  CHECK(half.hidden.scalar_type() == at::kFloat);
  CHECK(difference(half.hidden, run(config, packed, {.training = false}).hidden) < 2e-2);
}

TEST_CASE("sequences packed together come out as one by one, dropout included") {
  const auto kernels = GENERATE(Kernels::kAutomatic, Kernels::kComposed);
  const Config config = small(32, 2, 48);
  const std::vector<std::int64_t> lengths{4, 31, 1, 16};
  const Setting setting{.kernels = kernels};
  const at::Tensor together = run(config, random_sequences(config, lengths), setting).hidden;
  std::vector<at::Tensor> alone;
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    const Packed packed = random_sequences(config, {lengths[i]}, i);
    alone.push_back(run(config, packed, setting).hidden);
  }
  CHECK(difference(together, at::cat(alone, 0)) < 1e-5);
}

TEST_CASE("dropout depends on step and key, and its rate is what the configuration says") {
  Config config = small(64, 2, 64);
  const std::vector<std::int64_t> lengths{40, 40};
  const auto hidden = [&](std::uint32_t step, std::uint64_t key) {
    return run(config, random_sequences(config, lengths, key), {.step = step}).hidden;
  };
  CHECK(at::equal(hidden(1, 0), hidden(1, 0)));
  CHECK(!at::equal(hidden(1, 0), hidden(2, 0)));
  // The second sequence of the first batch is the first one of the other.
  const at::Tensor left = hidden(1, 0).narrow(0, 40, 40), right = hidden(1, 1).narrow(0, 0, 40);
  CHECK(difference(left, right) < 1e-5);
  // Of the embeddings, before any layer mixes them.
  const Encoder encoder(config, 0);
  trainhost::ModelSpec spec;
  encoder.declare(Weights::from_seed(config, 9), spec);
  Alone execution(spec, true);
  config.layers = 0;
  const at::Tensor embedded =
      Encoder(config, 0).encode(random_sequences(config, lengths), 3, execution);
  const double dropped =
      embedded.eq(0).sum().item<double>() / static_cast<double>(embedded.numel());
  CHECK(dropped == Approx(0.1).margin(0.02));
}

TEST_CASE("results do not depend on the number of threads") {
  const Config config = small(32, 4, 64);
  const Packed packed = random_sequences(config, std::vector<std::int64_t>(20, 13));
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const Result one = run(config, packed, {});
  at::set_num_threads(2);
  const Result two = run(config, packed, {});
  at::set_num_threads(before);
  check_equal(one, two, 1e-6);
  CHECK(at::equal(one.gradients.at("embeddings/LayerNorm.bias"),
                  two.gradients.at("embeddings/LayerNorm.bias")));
}

TEST_CASE("the same inputs give the same bits") {
  const Config config = small(32, 4, 64);
  const Packed packed = random_sequences(config, {9, 33, 2, 9, 9, 12});
  const auto type = GENERATE(at::kFloat, at::kBFloat16);
  const Result first = run(config, packed, {.type = type});
  const Result second = run(config, packed, {.type = type});
  CHECK(at::equal(first.hidden, second.hidden));
  for (const auto& [name, gradient] : first.gradients) {
    INFO(name);
    CHECK(at::equal(gradient, second.gradients.at(name)));
  }
}

TEST_CASE("an encoder is differentiated once") {
  const Config config = small(16, 2, 16);
  const Encoder encoder(config, 0);
  trainhost::ModelSpec spec;
  encoder.declare(Weights::from_seed(config, 9), spec);
  Alone execution(spec, true);
  const at::Tensor loss = encoder.encode(random_sequences(config, {3}), 0, execution).sum();
  loss.backward({}, true);
  CHECK_THROWS(loss.backward({}, true));
}

TEST_CASE("ids beyond the tables are refused") {
  const Config config = small(16, 2, 16);
  const Encoder encoder(config, 0);
  trainhost::ModelSpec spec;
  encoder.declare(Weights::from_seed(config, 9), spec);
  Alone execution(spec, false);
  Packed packed = random_sequences(config, {3});
  packed.ids = packed.ids + 50;
  CHECK_THROWS_WITH(encoder.encode(packed, 0, execution),
                    Catch::Contains("a token id beyond") && Catch::Contains("0 to 49"));
}

TEST_CASE("declare appends units after those of the model, and groups what does not decay") {
  const Config config = small(16, 2, 16);
  trainhost::ModelSpec spec;
  const Weights weights = Weights::from_seed(config, 9);
  CHECK_THROWS_WITH(Encoder(config, 1).declare(weights, spec), Catch::Contains("units"));
  spec.units.push_back({"mine"});
  Encoder(config, 1).declare(weights, spec);
  REQUIRE(spec.units.size() == static_cast<std::size_t>(1 + unit_count(config)));
  CHECK(spec.units[1].name == "embeddings");
  CHECK(spec.units[2].name == "encoder.layer.0");
  CHECK(spec.units.back().name == "pooler");
  CHECK(!spec.units.back().parameters[0].requires_grad);
  CHECK(spec.units[2].parameters[kQkv].group.empty());
  CHECK(spec.units[2].parameters[kQkvBias].group == kNoDecay);
  CHECK(spec.units[2].parameters[kNorm1].group == kNoDecay);
  REQUIRE(spec.groups.size() == 1);
  CHECK(spec.groups[0].weight_decay_factor == 0);
}
