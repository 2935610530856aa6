// The made-up sentences: the same each time, of the vocabulary, and a bag of words can learn them.
#include "sbert/synthetic.h"

#include <array>
#include <cmath>
#include <map>

#include "data_support.h"

namespace {

using namespace sbert;
using namespace sbert::testing;

TEST_CASE("rows are functions of options, part and number") {
  const SyntheticText one({}), two({});
  SyntheticOptions other;
  other.seed = 8;
  const SyntheticText changed(other);
  CHECK(one.pair("train", 3).first == two.pair("train", 3).first);
  CHECK(one.pair("train", 3).first != one.pair("train", 4).first);
  CHECK(one.pair("train", 3).first != one.pair("dev", 3).first);
  CHECK(one.pair("train", 3).first != changed.pair("train", 3).first);
  CHECK(one.tokenizer().fingerprint() == two.tokenizer().fingerprint());
  CHECK(one.triple("train", 0)[0] != one.triple("train", 0)[1]);
}

TEST_CASE("every word is of the vocabulary, some of two pieces") {
  const SyntheticText text({});
  const bert::Tokenizer tokenizer = text.tokenizer();
  std::int64_t words = 0, pieces = 0;
  for (std::int64_t row = 0; row < 200; ++row) {
    const std::string sentence = text.document("corpus", row).text;
    std::vector<std::int32_t> ids;
    tokenizer.append(sentence, 0, ids);
    words += std::count(sentence.begin(), sentence.end(), ' ') + 1;
    pieces += static_cast<std::int64_t>(ids.size()) - 3;
    CHECK(std::count(ids.begin(), ids.end(), tokenizer.unk_id()) == 0);
  }
  CHECK(pieces > words * 5 / 4);
  CHECK(pieces < words * 3 / 2);
}

TEST_CASE("scores and labels are spread") {
  const SyntheticText text({});
  std::map<float, int> scores;
  std::map<std::int32_t, int> labels;
  for (std::int64_t row = 0; row < 700; ++row) {
    ++scores[text.pair("train", row).score];
    ++labels[text.inference("train", row).label];
  }
  CHECK(scores.size() == 7);
  for (const auto& [score, count] : scores) CHECK((score >= 0 && score <= 1 && count > 60));
  CHECK(labels.size() == 3);
}

/// Pearson's correlation.
double correlation(const std::vector<double>& a, const std::vector<double>& b) {
  double sa = 0, sb = 0, aa = 0, bb = 0, ab = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    sa += a[i], sb += b[i], aa += a[i] * a[i], bb += b[i] * b[i], ab += a[i] * b[i];
  }
  const auto n = static_cast<double>(a.size());
  return (n * ab - sa * sb) / std::sqrt((n * aa - sa * sa) * (n * bb - sb * sb));
}

/// A vector for each piece; a sentence is their mean, a score the product of two sentences.
class BagOfWords {
 public:
  explicit BagOfWords(const bert::Tokenizer& tokenizer)
      : tokenizer_(tokenizer), weights_(static_cast<std::size_t>(tokenizer.size())) {
    auto draws = trainhost::Random(1, "test").at(0, 0, 0);
    for (auto& row : weights_) {
      for (double& value : row) value = draws.normal() / 2;
    }
  }
  double score(const SyntheticText::Pair& pair) {
    first_ = ids(pair.first), second_ = ids(pair.second);
    a_ = mean(first_), b_ = mean(second_);
    double out = 0;
    for (std::size_t i = 0; i < kWidth; ++i) out += a_[i] * b_[i];
    return out;
  }
  void learn(const SyntheticText::Pair& pair) {
    const double step = 2.0 * (static_cast<double>(pair.score) - score(pair));
    add(first_, b_, step);
    add(second_, a_, step);
  }

 private:
  static constexpr std::size_t kWidth = 16;
  using Row = std::array<double, kWidth>;

  std::vector<std::int32_t> ids(const std::string& text) const {
    std::vector<std::int32_t> out;
    tokenizer_.append(text, 0, out);
    return out;
  }
  Row mean(const std::vector<std::int32_t>& ids) const {
    Row out{};
    for (const std::int32_t id : ids) {
      for (std::size_t i = 0; i < kWidth; ++i) {
        out[i] += weights_[static_cast<std::size_t>(id)][i] / static_cast<double>(ids.size());
      }
    }
    return out;
  }
  void add(const std::vector<std::int32_t>& ids, const Row& direction, double step) {
    for (const std::int32_t id : ids) {
      for (std::size_t i = 0; i < kWidth; ++i) {
        weights_[static_cast<std::size_t>(id)][i] +=
            step * direction[i] / static_cast<double>(ids.size());
      }
    }
  }

  const bert::Tokenizer& tokenizer_;
  std::vector<Row> weights_;
  std::vector<std::int32_t> first_, second_;
  Row a_{}, b_{};
};

TEST_CASE("a bag of words learns the scores of sentences that it has not seen") {
  const SyntheticText text({});
  const bert::Tokenizer tokenizer = text.tokenizer();
  BagOfWords model(tokenizer);
  const auto measured = [&] {
    std::vector<double> scores, truth;
    for (std::int64_t row = 0; row < 300; ++row) {
      const SyntheticText::Pair pair = text.pair("dev", row);
      scores.push_back(model.score(pair));
      truth.push_back(static_cast<double>(pair.score));
    }
    return correlation(scores, truth);
  };
  const double before = measured();
  for (int epoch = 0; epoch < 6; ++epoch) {
    for (std::int64_t row = 0; row < 4000; ++row) model.learn(text.pair("train", row));
  }
  const double after = measured();
  INFO(before << " → " << after);
  CHECK(before < 0.6);
  CHECK(after > 0.85);
}

TEST_CASE("counts that make no data are refused") {
  for (const auto change : {+[](SyntheticOptions& o) { o.topics = 1; },
                            +[](SyntheticOptions& o) { o.words_per_topic = 0; },
                            +[](SyntheticOptions& o) { o.topic_words = -1; },
                            +[](SyntheticOptions& o) { o.topics = 1'000'000; }}) {
    SyntheticOptions options;
    change(options);
    CHECK(has(error_of([&] { SyntheticText{options}; }), "these counts make no data"));
  }
}

}  // namespace
