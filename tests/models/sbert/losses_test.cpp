// Each loss and its gradients against golden/losses.json, which sentence-transformers computed in
// double precision (golden/make_losses.py), on 1, 2 and 4 ranks with uneven rows.
#include "sbert/losses.h"

#include <ATen/ops/isfinite.h>
#include <ATen/ops/zeros.h>

#include <map>

#include "sbert/softmax_loss.h"
#include "support.h"

namespace {

using namespace sbert;
using namespace sbert::testing;
using nlohmann::json;

const json& reference() {
  static const json content = golden("losses.json");
  return content;
}

struct Case {
  std::string name;
  std::size_t columns;
  LossSettings settings;
};

std::vector<Case> cases() {
  const LossKind mnrl = LossKind::kInBatchNegatives, triplet = LossKind::kTriplet;
  const auto dims = reference()["dims"].get<std::vector<std::int64_t>>();
  const auto weights = reference()["weights"].get<std::vector<double>>();
  return {
      {"mnrl", 2, {.kind = mnrl}},
      {"mnrl, one negative", 3, {.kind = mnrl}},
      {"mnrl, two negatives", 4, {.kind = mnrl}},
      {"mnrl, scale 5", 2, {.kind = mnrl, .scale = 5}},
      {"mnrl, dot", 2, {.kind = mnrl, .scale = 1, .similarity = Similarity::kDot}},
      {"cosine", 2, {.kind = LossKind::kCosine}},
      {"cosent", 2, {.kind = LossKind::kCosent}},
      {"cosent, scale 3", 2, {.kind = LossKind::kCosent, .scale = 3}},
      {"triplet", 3, {.kind = triplet}},
      {"triplet, margin 0.3", 3, {.kind = triplet, .margin = 0.3}},
      {"triplet, cosine", 3, {.kind = triplet, .margin = 0.1, .distance = Similarity::kCosine}},
      {"triplet, manhattan",
       3,
       {.kind = triplet, .margin = 0.5, .distance = Similarity::kManhattan}},
      {"matryoshka of mnrl",
       3,
       {.kind = mnrl, .matryoshka_dims = dims, .matryoshka_weights = weights}},
      {"matryoshka of cosine",
       2,
       {.kind = LossKind::kCosine, .matryoshka_dims = dims, .matryoshka_weights = weights}},
      {"matryoshka of triplet",
       3,
       {.kind = triplet, .margin = 0.5, .matryoshka_dims = dims, .matryoshka_weights = weights}},
  };
}

Tensors columns_of(std::size_t count, at::ScalarType dtype) {
  Tensors out;
  for (std::size_t c = 0; c < count; ++c) {
    out.push_back(
        tensor_of(reference()["columns"][c], {reference()["rows"], reference()["dim"]}).to(dtype));
  }
  return out;
}

void check_against(const json& expected, const Measured& got, double tolerance) {
  CHECK(got.value == Approx(expected["value"].get<double>()).epsilon(tolerance));
  for (std::size_t c = 0; c < got.gradients.size(); ++c) {
    INFO("column " << c);
    const at::Tensor reference =
        tensor_of(expected["gradients"][c], got.gradients[c].sizes().vec());
    const double largest = reference.abs().max().item().toDouble();
    CHECK(distance(got.gradients[c].to(at::kDouble), reference) < tolerance * largest);
  }
}

struct Precision {
  at::ScalarType dtype;
  double tolerance;
};

}  // namespace

TEST_CASE("losses equal the reference's on any number of ranks") {
  const int world = GENERATE(1, 2, 4);
  const Precision precision = GENERATE(Precision{at::kDouble, 1e-10}, Precision{at::kFloat, 1e-5});
  const at::Tensor scores = tensor_of(reference()["scores"], {reference()["rows"]}).to(at::kFloat);
  for (const Case& each : cases()) {
    INFO(each.name << ", " << world << " ranks, " << toString(precision.dtype));
    const at::Tensor labels =
        each.settings.label_need() == LabelNeed::kScore ? scores : at::Tensor();
    const auto loss = make_loss(each.settings);
    check_against(reference()["cases"][each.name],
                  measure(*loss, columns_of(each.columns, precision.dtype), labels, world),
                  precision.tolerance);
  }
}

TEST_CASE("softmax_nli equals the reference's, its classifier's gradients too") {
  const int world = GENERATE(1, 2, 4);
  const json& linear = reference()["classifier"];
  const std::int64_t dim = reference()["dim"], classes = 3;
  trainhost::ModelSpec model{.units = {classifier_unit(dim, classes, 5)}};
  for (auto& parameter : model.units[0].parameters) {
    parameter.dtype = at::kDouble;
    parameter.initialize = [&, name = parameter.name](at::Tensor& out) {
      out.copy_(tensor_of(linear[name]["value"], out.sizes().vec()));
    };
  }
  const Tensors columns = columns_of(2, at::kDouble);
  const at::Tensor labels = tensor_of(reference()["classes"], {reference()["rows"]}).to(at::kLong);
  const auto loss = make_loss({.kind = LossKind::kSoftmax, .classes = classes}, 0);
  check_against(reference()["cases"]["softmax_nli"], measure(*loss, columns, labels, world, model),
                1e-10);

  const auto rows_of = trainhost::testing::uneven(columns[0].size(0), world);
  std::vector<std::map<std::string, at::Tensor>> gradients(static_cast<std::size_t>(world));
  trainhost::testing::on_ranks(world, model, [&](const trainhost::testing::RankOfTest& at) {
    const auto mine = [&](const at::Tensor& all) {
      return trainhost::testing::part_of(all, rows_of, at.rank);
    };
    const Columns part{{mine(columns[0]), mine(columns[1])}, mine(labels), rows_of};
    at.execution.backward({loss->of(part, at.execution).sum}, {}, true);
    for (const char* name : {"weight", "bias"}) {
      gradients[at.rank][name] = at.session.tensor(std::string("classifier/") + name).grad();
    }
  });
  for (const std::string name : {"weight", "bias"}) {
    at::Tensor sum = gradients[0][name];
    for (std::size_t r = 1; r < gradients.size(); ++r) sum = sum + gradients[r][name];
    INFO(name << ", " << world << " ranks");
    CHECK(distance(sum / columns[0].size(0),
                   tensor_of(linear[name]["gradient"], sum.sizes().vec())) < 1e-10);
  }
}

TEST_CASE("under mixed precision losses are computed in fp32 all the same") {
  const trainhost::train::Economies mixed{.autocast = at::kBFloat16};
  const trainhost::ModelSpec model{.units = {classifier_unit(reference()["dim"], 3, 5)}};
  std::vector<Case> all = cases();
  all.push_back({"softmax_nli", 2, {.kind = LossKind::kSoftmax}});
  for (const Case& each : all) {
    INFO(each.name);
    const auto loss = make_loss(each.settings, 0);
    const at::Tensor labels = each.name == "softmax_nli"
                                  ? tensor_of(reference()["classes"], {reference()["rows"]})
                                  : tensor_of(reference()["scores"], {reference()["rows"]});
    double values[2] = {0, 1};
    for (const bool is_mixed : {false, true}) {
      const auto errors = trainhost::testing::on_ranks(
          1, model,
          [&](const trainhost::testing::RankOfTest& at) {
            const auto precision = at.execution.autocast();
            const Columns columns{columns_of(each.columns, at::kFloat), labels, {labels.size(0)}};
            values[is_mixed] = loss->of(columns, at.execution).sum.item().toDouble();
          },
          is_mixed ? mixed : trainhost::train::Economies{});
      REQUIRE(errors[0].empty());
    }
    CHECK(values[0] == values[1]);
  }
}

TEST_CASE("mnrl without gathering has each rank's own negatives") {
  const LossSettings own{.gather_negatives = false};
  const Tensors columns{random({9, 4}, 1), random({9, 4}, 2), random({9, 4}, 3)};
  const Measured two = measure(*make_loss(own), columns, {}, 2);
  const auto rows_of = trainhost::testing::uneven(9, 2);
  double sum = 0;
  for (std::size_t r = 0; r < 2; ++r) {
    Tensors part;
    for (const at::Tensor& column : columns) {
      part.push_back(trainhost::testing::part_of(column, rows_of, r));
    }
    const Measured one = measure(*make_loss(own), part, {}, 1);
    sum += one.value * static_cast<double>(rows_of[r]) / 9;
  }
  CHECK(two.value == Approx(sum).epsilon(1e-12));
  CHECK(two.value < measure(*make_loss({}), columns, {}, 2).value);
}

TEST_CASE("equal embeddings have gradients that are numbers") {
  const Similarity distance =
      GENERATE(Similarity::kEuclidean, Similarity::kManhattan, Similarity::kCosine);
  const at::Tensor same = random({3, 4}, 1);
  const Measured got = measure(*make_loss({.kind = LossKind::kTriplet, .distance = distance}),
                               {same, same, random({3, 4}, 2)}, {}, 1);
  for (const at::Tensor& gradient : got.gradients) {
    CHECK(at::isfinite(gradient).all().item().toBool());
  }
}

TEST_CASE("embeddings of zeros have gradients that are numbers") {
  const Tensors zeros(2, at::zeros({3, 4}, at::TensorOptions(at::kDouble)));
  const at::Tensor labels = at::zeros({3});
  for (const LossKind kind : {LossKind::kInBatchNegatives, LossKind::kCosine, LossKind::kCosent}) {
    const Measured got = measure(*make_loss({.kind = kind}), zeros, labels, 1);
    CHECK(std::isfinite(got.value));
    for (const at::Tensor& gradient : got.gradients) {
      CHECK(at::isfinite(gradient).all().item().toBool());
    }
  }
}

TEST_CASE("cosent of labels that are all equal is nothing") {
  const Measured got = measure(*make_loss({.kind = LossKind::kCosent}),
                               {random({5, 4}, 1), random({5, 4}, 2)}, at::zeros({5}), 2);
  CHECK(got.value == Approx(0).margin(1e-12));
  CHECK(distance(got.gradients[0], at::zeros_like(got.gradients[0])) < 1e-12);
}

TEST_CASE("no rows on any rank: a loss of 0 and weight 0") {
  for (const Case& each : cases()) {
    INFO(each.name);
    const Tensors none(each.columns, at::zeros({0, 6}, at::TensorOptions(at::kDouble)));
    std::vector<trainhost::Loss> losses(2);
    const auto errors =
        trainhost::testing::on_ranks(2, {}, [&](const trainhost::testing::RankOfTest& at) {
          Columns mine{{}, at::zeros({0}), {0, 0}};
          for (const at::Tensor& column : none) {
            mine.embeddings.push_back(column.clone().requires_grad_(true));
          }
          losses[at.rank] = make_loss(each.settings)->of(mine, at.execution);
          at.execution.backward({losses[at.rank].sum}, {}, true);
        });
    for (std::size_t r = 0; r < 2; ++r) {
      CHECK(errors[r].empty());
      CHECK(losses[r].sum.item().toDouble() == 0);
      CHECK(losses[r].weight == 0);
    }
  }
}
