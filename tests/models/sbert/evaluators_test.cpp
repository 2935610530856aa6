// Evaluators against golden/evaluators.json: metrics, names and CSV files of sentence-transformers'
// classes, and of SciPy (golden/make_evaluators.py).
#include <cmath>
#include <sstream>

#include "sbert/binary_classification.h"
#include "sbert/correlation.h"
#include "sbert/embedding_similarity.h"
#include "sbert/retrieval.h"
#include "sbert/triplet_accuracy.h"
#include "support.h"
#include "trainhost/error.h"

namespace {

using namespace sbert;
using namespace sbert::testing;
using Catch::Matchers::Contains;
using nlohmann::json;
using trainhost::testing::RankOfTest;

const std::vector<Similarity> kAll{Similarity::kCosine, Similarity::kDot, Similarity::kEuclidean,
                                   Similarity::kManhattan};
const std::vector<Similarity> kCosine{Similarity::kCosine};
// Similarities are computed in single precision.
constexpr double kTolerance = 1e-6;

const json& reference() {
  static const json content = golden("evaluators.json");
  return content;
}

at::Tensor rows_of(const json& list) {
  const std::int64_t dim = reference()["dim"];
  return tensor_of(list, {static_cast<std::int64_t>(list.size()) / dim, dim}).to(at::kFloat);
}

std::vector<double> numbers(const json& list) { return list.get<std::vector<double>>(); }

std::vector<std::string> split(const std::string& text, char by) {
  std::vector<std::string> out;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, by);) out.push_back(part);
  return out;
}

/// Columns and values; as text they are the host's (tests/telemetry/evaluation_csv_test.cpp).
void check_csv(const json& expected, const trainhost::EvaluationRow& csv) {
  CHECK(csv.file == expected["csv_file"].get<std::string>());
  const auto lines = split(expected["csv"].get<std::string>(), '\n');
  const auto columns = split(lines[0].substr(0, lines[0].find('\r')), ',');
  REQUIRE(columns.size() == csv.columns.size() + 2);
  REQUIRE(columns.size() == csv.values.size() + 2);
  const auto fields = split(lines[1], ',');
  for (std::size_t c = 0; c < csv.columns.size(); ++c) {
    CHECK(columns[c + 2] == csv.columns[c]);
    INFO(csv.columns[c]);
    CHECK(csv.values[c] == Approx(std::stod(fields[c + 2])).margin(kTolerance).epsilon(kTolerance));
  }
}

void check_result(const json& expected, const EvaluatorResult& got) {
  CHECK(got.metrics.size() == expected["metrics"].size());
  for (const auto& [name, value] : expected["metrics"].items()) {
    INFO(name);
    CHECK(got.metric(name) == Approx(value.get<double>()).margin(kTolerance).epsilon(kTolerance));
  }
  CHECK(got.primary == expected["primary"].get<std::string>());
  check_csv(expected, got.csv);
}

PairScores scores_of_pairs(const std::vector<Similarity>& similarities) {
  const json& data = reference()["pairs"];
  return pair_scores(similarities, rows_of(data["a"]), rows_of(data["b"]));
}

EvaluatorResult triplets_of(const EvaluatorSettings& settings, double margin) {
  const json& data = reference()["triplets"];
  const at::Tensor anchors = rows_of(data["a"]);
  return triplet_accuracy(
      settings,
      triplet_hits(settings.similarities, anchors, rows_of(data["p"]), rows_of(data["n"]), margin),
      anchors.size(0));
}

using Relevant = std::vector<std::vector<std::int64_t>>;

Relevant relevant() { return reference()["retrieval data"]["relevant"].get<Relevant>(); }

/// Queries [begin, end), the corpus in pieces of `piece`.
std::vector<double> retrieved(const RetrievalSettings& settings, std::int64_t begin,
                              std::int64_t end, std::int64_t piece) {
  const json& data = reference()["retrieval data"];
  Retrieval retrieval(settings, rows_of(data["queries"]).narrow(0, begin, end - begin));
  const at::Tensor documents = rows_of(data["documents"]);
  for (std::int64_t first = 0; first < documents.size(0); first += piece) {
    retrieval.add(documents.narrow(0, first, std::min(piece, documents.size(0) - first)), first);
  }
  const Relevant all = relevant();
  return retrieval.sums(std::span(all).subspan(static_cast<std::size_t>(begin),
                                               static_cast<std::size_t>(end - begin)));
}

RetrievalSettings cut_offs() {
  RetrievalSettings settings;
  settings.accuracy_at = {2};
  settings.precision_recall_at = {1, 100};
  settings.mrr_at = {1, 7};
  settings.ndcg_at = {3, 5};
  settings.map_at = {2, 4};
  return settings;
}

}  // namespace

TEST_CASE("correlations equal SciPy's, ties included") {
  for (const json& each : reference()["correlations"]) {
    const auto x = numbers(each["x"]), y = numbers(each["y"]);
    CHECK(pearson(x, y) == Approx(each["pearson"].get<double>()).margin(1e-12));
    CHECK(spearman(x, y) == Approx(each["spearman"].get<double>()).margin(1e-12));
  }
  const std::vector<double> tied{3, 1, 3, 2, 3};
  CHECK(average_ranks(tied) == std::vector<double>{4, 1, 4, 2, 4});
}

TEST_CASE("a correlation with what is constant is not a number") {
  const std::vector<double> constant{2, 2, 2}, other{1, 2, 3}, none;
  CHECK(std::isnan(pearson(constant, other)));
  CHECK(std::isnan(spearman(other, constant)));
  CHECK(std::isnan(pearson(none, none)));
}

TEST_CASE("embedding similarity equals the reference's") {
  const auto labels = numbers(reference()["pairs"]["scores"]);
  check_result(reference()["similarity"],
               embedding_similarity({"sts-dev", kAll}, scores_of_pairs(kAll), labels));
  check_result(reference()["similarity, cosine"],
               embedding_similarity({}, scores_of_pairs(kCosine), labels));
}

TEST_CASE("binary classification equals the reference's") {
  const auto labels = numbers(reference()["pairs"]["labels"]);
  check_result(reference()["binary"],
               binary_classification({"quora", kAll}, scores_of_pairs(kAll), labels));
  check_result(reference()["binary, cosine"],
               binary_classification({}, scores_of_pairs(kCosine), labels));
}

TEST_CASE("binary classification of pairs that are all alike, and of none") {
  const std::vector<double> same{1, 1}, different{0, 0}, none;
  const PairScores scores{{0.5, 0.25}};
  const EvaluatorResult all = binary_classification({}, scores, same);
  CHECK(all.metric("cosine_accuracy") == 1);
  CHECK(all.metric("cosine_ap") == 1);
  CHECK(all.metric("cosine_mcc") == 0);
  CHECK(binary_classification({}, scores, different).metric("cosine_accuracy") == 1);
  CHECK(binary_classification({}, scores, different).metric("cosine_f1") == 0);
  CHECK(binary_classification({}, {{}}, none).metric("cosine_accuracy") == 0);
}

TEST_CASE("triplet accuracy equals the reference's") {
  check_result(reference()["triplet"], triplets_of({"nli", kAll}, 0));
  check_result(reference()["triplet, cosine"], triplets_of({}, 0));
  check_result(reference()["triplet, margin"], triplets_of({}, 0.25));
}

TEST_CASE("information retrieval equals the reference's, however the corpus comes") {
  const std::int64_t piece = GENERATE(1, 7, 60);
  RetrievalSettings all;
  all.name = "docs";
  all.similarities = kAll;
  all.scores_at_once = GENERATE(1, 256 * 13, 1 << 22);
  INFO("pieces of " << piece << ", " << all.scores_at_once << " scores at once");
  check_result(reference()["retrieval"], information_retrieval(all, retrieved(all, 0, 12, piece)));
  const RetrievalSettings cut = cut_offs();
  check_result(reference()["retrieval, cosine"],
               information_retrieval(cut, retrieved(cut, 0, 12, piece)));
}

TEST_CASE("evaluations split over ranks are those of one rank") {
  const int world = GENERATE(1, 2, 4);
  const RetrievalSettings cut = cut_offs();
  const PairScores pairs = scores_of_pairs(kAll);
  std::vector<std::vector<double>> sums(static_cast<std::size_t>(world));
  std::vector<PairScores> joined(static_cast<std::size_t>(world));
  const auto errors = trainhost::testing::on_ranks(world, {}, [&](const RankOfTest& at) {
    // The last of four ranks has nothing.
    const auto place = [&](std::int64_t total, std::size_t rank) {
      const auto parts = static_cast<std::int64_t>(world == 4 ? 3 : world);
      return std::min(total, total * static_cast<std::int64_t>(rank) / parts);
    };
    sums[at.rank] = retrieved(cut, place(12, at.rank), place(12, at.rank + 1), 7);
    at.execution.sum_over_ranks(sums[at.rank]);
    PairScores mine;
    const std::int64_t begin = place(40, at.rank), end = place(40, at.rank + 1);
    for (const auto& scores : pairs) {
      mine.emplace_back(scores.begin() + begin, scores.begin() + end);
    }
    joined[at.rank] = join_scores(mine, begin, 40, at.execution);
  });
  for (std::size_t r = 0; r < sums.size(); ++r) {
    REQUIRE(errors[r].empty());
    CHECK(joined[r] == pairs);
    check_result(reference()["retrieval, cosine"], information_retrieval(cut, sums[r]));
  }
}

TEST_CASE("a metric that was not measured: those that were") {
  const EvaluatorResult result = triplets_of({}, 0);
  CHECK_THROWS_WITH(result.metric("dot_accuracy"),
                    Contains("cosine_accuracy") && Contains("dot_accuracy"));
}
