// The loss's options, and what is said of a recipe or a set that does not fit.
#include "sbert/loss_settings.h"

#include <catch2/catch.hpp>
#include <limits>

#include "trainhost/error.h"

namespace {

using namespace sbert;
using namespace trainhost;
using Catch::Matchers::Contains;

/// A model table as the host hands it over: every option, at its default but for `changes`.
Value table(const Table& changes) {
  const SourcePosition place{"recipe.lua", 4};
  Table all;
  const auto add = [&](const char* key, Value::Data data) {
    for (const auto& [name, value] : changes) {
      if (name == key) data = value.data;
    }
    all.emplace_back(key, Value(std::move(data), place));
  };
  add("loss", std::string("mnrl"));
  add("scale", 20.0);
  add("similarity", std::string("cosine"));
  add("gather_negatives", true);
  add("mini_batch", std::int64_t{0});
  add("margin", 5.0);
  add("distance", std::string("euclidean"));
  add("classes", std::int64_t{3});
  add("matryoshka_dims", List{});
  add("matryoshka_weights", List{});
  return Value(std::move(all), place);
}

Value item(Value::Data data) { return Value(std::move(data), {}); }

LossSettings read(const Table& changes) {
  const Value value = table(changes);
  return LossSettings::read(Options(value, "model"));
}

std::string refusal(const Table& changes) {
  try {
    read(changes);
  } catch (const Error& error) {
    CHECK(error.failure() == Failure::kUser);
    return error.what();
  }
  return "";
}

std::string misfit(const LossSettings& settings, const SetShape& set) {
  try {
    require_fit(settings, set);
  } catch (const Error& error) {
    CHECK(error.failure() == Failure::kUser);
    return error.what();
  }
  return "";
}

const std::vector<std::string> kTwo{"anchor", "positive"};
const std::vector<std::string> kThree{"anchor", "positive", "negative"};

}  // namespace

TEST_CASE("the loss's options are read") {
  const LossSettings plain = read({});
  CHECK(plain.kind == LossKind::kInBatchNegatives);
  CHECK(plain.mini_batch == 0);
  CHECK(plain.scale == 20);
  CHECK(plain.gather_negatives);
  CHECK(plain.matryoshka_dims.empty());

  CHECK(read({{"loss", item(std::string("cached_mnrl"))}}).mini_batch == 32);
  CHECK(read({{"loss", item(std::string("cached_mnrl"))}, {"mini_batch", item(std::int64_t{7})}})
            .mini_batch == 7);
  CHECK(read({{"loss", item(std::string("cosent"))}}).label_need() == LabelNeed::kScore);
  CHECK(read({{"loss", item(std::string("softmax_nli"))}}).label_need() == LabelNeed::kClass);
  CHECK(read({{"loss", item(std::string("triplet"))}}).label_need() == LabelNeed::kNone);
  CHECK(read({{"distance", item(std::string("manhattan"))}}).distance == Similarity::kManhattan);

  const LossSettings nested =
      read({{"matryoshka_dims", item(List{item(std::int64_t{8}), item(std::int64_t{4})})}});
  CHECK(nested.matryoshka_dims == std::vector<std::int64_t>{8, 4});
  CHECK(nested.matryoshka_weights == std::vector<double>{1, 1});
}

TEST_CASE("options that make no loss are refused with their place") {
  CHECK_THAT(refusal({{"loss", item(std::string("mnlr"))}}),
             Contains("recipe.lua:4") && Contains("model.loss") && Contains("mnrl, cached_mnrl") &&
                 Contains("mnlr"));
  CHECK_THAT(refusal({{"scale", item(0.0)}}), Contains("model.scale") && Contains("above 0"));
  CHECK_THAT(refusal({{"similarity", item(std::string("euclidean"))}}), Contains("cosine, dot"));
  CHECK_THAT(refusal({{"distance", item(std::string("dot"))}}),
             Contains("euclidean, cosine, manhattan"));
  CHECK_THAT(refusal({{"mini_batch", item(std::int64_t{-1})}}), Contains("0 and more"));
  CHECK_THAT(refusal({{"classes", item(std::int64_t{1})}}), Contains("2 and more"));
  CHECK_THAT(refusal({{"matryoshka_weights", item(List{item(1.0)})}}),
             Contains("as many as matryoshka_dims: 0"));
  CHECK_THAT(refusal({{"matryoshka_dims", item(List{item(std::int64_t{0})})}}),
             Contains("1 and more"));
  CHECK_THAT(refusal({{"loss", item(std::string("softmax_nli"))},
                      {"matryoshka_dims", item(List{item(std::int64_t{4})})}}),
             Contains("softmax_nli's head"));
}

TEST_CASE("a set that the loss cannot use: what it needs and what there is") {
  const LossSettings mnrl = read({}), cosine = read({{"loss", item(std::string("cosine"))}}),
                     triplet = read({{"loss", item(std::string("triplet"))}}),
                     classes = read({{"loss", item(std::string("softmax_nli"))}});
  CHECK(misfit(mnrl, {"nli", kTwo, false, 8}).empty());
  CHECK(misfit(mnrl, {"nli", kThree, true, 8}).empty());
  CHECK(misfit(cosine, {"sts", kTwo, true, 8}).empty());
  CHECK(misfit(triplet, {"nli", kThree, false, 8}).empty());
  CHECK(misfit(classes, {"nli", kTwo, true, 8}).empty());

  CHECK_THAT(misfit(mnrl, {"nli", {"text"}, false, 8}),
             Contains("recipe.lua:4") && Contains("'mnrl' cannot use the set 'nli'") &&
                 Contains("anchor, positive, and any number") && Contains("text, no label"));
  CHECK_THAT(misfit(triplet, {"nli", kTwo, false, 8}),
             Contains("anchor, positive, negative") && Contains("anchor, positive, no label"));
  CHECK_THAT(misfit(cosine, {"sts", kTwo, false, 8}), Contains("the score"));
  CHECK_THAT(misfit(cosine, {"sts", kThree, true, 8}), Contains("two columns"));
  CHECK_THAT(misfit(classes, {"nli", kTwo, false, 8}), Contains("the class"));

  const LossSettings nested = read({{"matryoshka_dims", item(List{item(std::int64_t{9})})}});
  CHECK_THAT(misfit(nested, {"nli", kTwo, false, 8}), Contains("at most 8") && Contains("9"));
}

TEST_CASE("a label that the loss cannot use") {
  const LossSettings mnrl = read({}), cosine = read({{"loss", item(std::string("cosine"))}}),
                     classes = read({{"loss", item(std::string("softmax_nli"))}});
  const double no_number = std::numeric_limits<double>::quiet_NaN();
  CHECK(label_problem(mnrl, no_number).empty());
  CHECK(label_problem(cosine, 0.3).empty());
  CHECK_THAT(label_problem(cosine, no_number), Contains("not a number"));
  CHECK(label_problem(classes, 2).empty());
  CHECK_THAT(label_problem(classes, 3), Contains("0 to 2"));
  CHECK_THAT(label_problem(classes, -1), Contains("0 to 2"));
  CHECK_THAT(label_problem(classes, 0.5), Contains("0 to 2"));
}
