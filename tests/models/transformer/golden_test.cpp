// The test model against golden/golden.json, which make_golden.py computed with PyTorch in double
// precision, from definitions alone: rows, initial parameters, losses, gradients and optimizers.
#include <nlohmann/json.hpp>

#include "support.h"

namespace {

using namespace transformer::testing;
using nlohmann::json;

// fp32 against double, over ten steps.
constexpr double kLossTolerance = 1e-5;
constexpr double kTensorTolerance = 1e-4;

json golden(const std::string& task) {
  std::ifstream file(TRANSFORMER_GOLDEN_FILE);
  return json::parse(file).at(task);
}

void check_losses(const json& expected, const std::map<std::string, double>& got) {
  REQUIRE(expected.size() == got.size());
  for (std::size_t step = 0; step < expected.size(); ++step) {
    INFO("step " << step + 1);
    CHECK(got.at("learn/" + std::to_string(step + 1)) ==
          Approx(expected[step].get<double>()).epsilon(kLossTolerance));
  }
}

/// The norm, and the product with 1/n, 2/n, …, 1: make_golden.py's sketch.
void check_sketch(const json& expected, const std::vector<double>& values) {
  double squares = 0, product = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    squares += values[i] * values[i];
    product += values[i] * static_cast<double>(i + 1) / static_cast<double>(values.size());
  }
  const double norm = expected[0].get<double>();
  CHECK(std::sqrt(squares) == Approx(norm).epsilon(kTensorTolerance));
  CHECK(product == Approx(expected[1].get<double>()).margin(kTensorTolerance * norm));
}

std::vector<double> doubles(const std::string& bytes) {
  const std::vector<float> values = floats(bytes);
  return {values.begin(), values.end()};
}

std::string task_name() { return GENERATE("classify", "contrastive"); }

}  // namespace

TEST_CASE("golden: losses under AdamW with groups and clipping") {
  const std::string task = task_name();
  INFO(task);
  const Bench bench;
  check_losses(golden(task).at("adamw_losses"), bench.losses_of("run", {"model.task=" + task}));
}

TEST_CASE("golden: losses and parameters under SGD with momentum") {
  const std::string task = task_name();
  INFO(task);
  const Bench bench;
  check_losses(
      golden(task).at("sgd_losses"),
      bench.losses_of("run", {"model.task=" + task, "train.clip_norm=0",
                              "optimizer={\"sgd\",lr=0.01,momentum=0.9,weight_decay=0.01}"}));
  const auto tensors = bench.tensors_of("run");
  for (const auto& [name, sketch] : golden(task).at("sgd_parameters").items()) {
    INFO(name);
    check_sketch(sketch, doubles(tensors.at("parameter/" + name)));
  }
}

TEST_CASE("golden: the first gradients") {
  const std::string task = task_name();
  INFO(task);
  const Bench bench;
  // A step of plain SGD at rate r moves a parameter by r times the gradient.
  const double rate = 1e3;
  const Arguments step{"model.task=" + task, "train.clip_norm=0", "train.max_steps=1",
                       "optimizer={\"sgd\",lr=1e3,momentum=0}"};
  bench.losses_of("moved", step);
  bench.losses_of("still", step + Arguments{"optimizer.lr=1e-30"});
  const auto moved = bench.tensors_of("moved"), still = bench.tensors_of("still");
  const json expected = golden(task).at("first_gradients");
  for (const auto& [tensor, bytes] : still) {
    if (tensor.rfind("parameter/", 0) != 0) continue;
    const std::string name = tensor.substr(std::string("parameter/").size());
    INFO(name);
    std::vector<double> before = doubles(bytes), after = doubles(moved.at(tensor));
    if (!expected.contains(name)) {
      CHECK(before == after);
      continue;
    }
    for (std::size_t i = 0; i < before.size(); ++i) before[i] = (before[i] - after[i]) / rate;
    check_sketch(expected.at(name), before);
  }
}
