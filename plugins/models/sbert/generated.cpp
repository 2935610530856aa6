#include "sbert/generated.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sbert {
namespace {

constexpr std::int64_t kEvaluationRows = 500;

/// Texts row by row, and their labels.
struct Rows {
  std::int64_t columns = 2;
  std::vector<std::string> texts{};
  std::vector<float> labels{};
};

Rows scored_pairs(const SyntheticText& made, std::string_view part, std::int64_t count) {
  Rows out;
  for (std::int64_t row = 0; row < count; ++row) {
    SyntheticText::Pair pair = made.pair(part, row);
    out.texts.push_back(std::move(pair.first));
    out.texts.push_back(std::move(pair.second));
    out.labels.push_back(pair.score);
  }
  return out;
}

Rows inferences(const SyntheticText& made, std::int64_t count) {
  Rows out;
  for (std::int64_t row = 0; row < count; ++row) {
    SyntheticText::Inference one = made.inference("train", row);
    out.texts.push_back(std::move(one.premise));
    out.texts.push_back(std::move(one.hypothesis));
    out.labels.push_back(static_cast<float>(one.label));
  }
  return out;
}

Rows triples(const SyntheticText& made, std::int64_t count) {
  Rows out{.columns = 3};
  for (std::int64_t row = 0; row < count; ++row) {
    for (std::string& text : made.triple("train", row)) out.texts.push_back(std::move(text));
  }
  return out;
}

Rows rows_for(const LossSettings& loss, const SyntheticText& made, std::int64_t count) {
  switch (loss.label_need()) {
    case LabelNeed::kScore:
      return scored_pairs(made, "train", count);
    case LabelNeed::kClass:
      return inferences(made, count);
    case LabelNeed::kNone:
      break;
  }
  return triples(made, count);
}

TrainingSet tokenised(Rows rows, const bert::Tokenizer& tokenizer, std::int32_t max_length,
                      int threads) {
  const std::vector<std::string_view> views(rows.texts.begin(), rows.texts.end());
  return TrainingSet(rows.columns, tokenizer.encode(views, max_length, threads),
                     std::move(rows.labels));
}

}  // namespace

TrainingSet generated_set(const GeneratedSettings& settings, const LossSettings& loss,
                          const bert::Tokenizer& tokenizer, std::int32_t max_length, int threads) {
  const SyntheticText made(settings.text);
  return tokenised(rows_for(loss, made, settings.rows), tokenizer, max_length, threads);
}

EvaluationSet generated_evaluation(const GeneratedSettings& settings,
                                   const bert::Tokenizer& tokenizer, std::int32_t max_length,
                                   int threads) {
  const SyntheticText made(settings.text);
  EvaluationSettings of;
  of.evaluator.name = "generated";
  return {of,
          tokenised(scored_pairs(made, "dev", kEvaluationRows), tokenizer, max_length, threads),
          TrainingSet(1, {}, {}),
          {}};
}

}  // namespace sbert
