// read_set: a file's records as token ids and labels.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "sbert/record_parser.h"
#include "sbert/training_set.h"
#include "trainhost/error.h"

namespace sbert {
namespace {

using trainhost::Error;
using trainhost::Failure;
using Got = RecordReader::Got;

/// Texts that are tokenised at once: enough for several threads, little memory.
constexpr std::size_t kTextsAtOnce = 16384;

std::vector<std::string> columns_of(const SetSettings& settings) {
  std::vector<std::string> out = settings.texts;
  if (!settings.label.empty()) out.push_back(settings.label);
  return out;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '+')) text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

std::optional<double> number_of(std::string_view text) {
  text = trimmed(text);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole && std::isfinite(value) ? std::optional(value) : std::nullopt;
}

class SetReader {
 public:
  SetReader(const SetSettings& settings, const bert::Tokenizer& tokenizer, std::int32_t max_length,
            int threads, const ReadingHooks& hooks)
      : settings_(settings),
        tokenizer_(tokenizer),
        max_length_(max_length),
        threads_(threads),
        hooks_(hooks),
        records_(settings.file, columns_of(settings)) {}

  TrainingSet read() {
    while (settings_.limit == 0 || rows_ < settings_.limit) {
      const Got got = records_.next();
      if (got == Got::kEnd) break;
      if (got == Got::kBad) {
        bad(records_.problem());
      } else if (take()) {
        ++rows_;
      }
      if (ends_.size() >= kTextsAtOnce) tokenise();
    }
    tokenise();
    if (rows_ == 0) no_rows();
    return TrainingSet(static_cast<std::int64_t>(settings_.texts.size()), std::move(tokens_),
                       std::move(labels_), bad_lines_);
  }

 private:
  /// Of the record at hand; false: it is not for this set.
  bool take() {
    const auto fields = records_.fields();
    const std::size_t columns = settings_.texts.size();
    if (settings_.keeps_one_label && fields[columns] != settings_.keep_label) return false;
    if (settings_.has_labels()) {
      const std::optional<double> label = label_of(fields[columns]);
      if (!label) return false;
      labels_.push_back(static_cast<float>(*label));
    }
    for (std::size_t column = 0; column < columns; ++column) {
      if (!settings_.prompts.empty()) text_ += settings_.prompts[column];
      text_ += fields[column];
      ends_.push_back(text_.size());
    }
    return true;
  }

  std::optional<double> label_of(std::string_view text) {
    if (settings_.labels.empty()) {
      if (const auto number = number_of(text)) return *number / settings_.label_scale;
      bad({.where = records_.where(),
           .what = "the label is no number",
           .expected = "a number in column '" + settings_.label + "'",
           .got = shown(text)});
      return std::nullopt;
    }
    const auto found = std::find(settings_.labels.begin(), settings_.labels.end(), text);
    if (found != settings_.labels.end()) {
      return static_cast<double>(found - settings_.labels.begin());
    }
    std::string known;
    for (const std::string& label : settings_.labels) known += (known.empty() ? "" : ", ") + label;
    bad({.where = records_.where(),
         .what = "the label is none of this set's",
         .expected = known,
         .got = shown(text)});
    return std::nullopt;
  }

  void bad(Error::Text problem) {
    ++bad_lines_;
    if (!settings_.count_bad_lines) {
      problem.fix = "mend the line, or say bad_lines = \"count\" to leave such lines out";
      throw Error(Failure::kUser, std::move(problem));
    }
    if (bad_lines_ == 1) first_problem_ = std::move(problem);
  }

  void tokenise() {
    std::vector<std::string_view> texts;
    texts.reserve(ends_.size());
    std::size_t begin = 0;
    for (const std::size_t end : ends_) {
      texts.push_back(std::string_view(text_).substr(begin, end - begin));
      begin = end;
    }
    const bert::Tokens some = tokenizer_.encode(texts, max_length_, threads_);
    const auto before = static_cast<std::int64_t>(tokens_.ids.size());
    for (std::int64_t i = 1; i <= some.size(); ++i) {
      tokens_.offsets.push_back(before + some.offsets[static_cast<std::size_t>(i)]);
    }
    tokens_.ids.insert(tokens_.ids.end(), some.ids.begin(), some.ids.end());
    text_.clear();
    ends_.clear();
    if (hooks_.progress) hooks_.progress(records_.offset(), records_.bytes());
  }

  [[noreturn]] void no_rows() const {
    if (bad_lines_ > 0) {
      Error::Text text = first_problem_;
      text.what = "no line is a record; the first: " + text.what;
      text.fix = "check the format and the columns of the set";
      throw Error(Failure::kUser, std::move(text));
    }
    throw Error(Failure::kUser,
                {.where = settings_.file.path,
                 .what = "the set has no rows",
                 .expected = settings_.keeps_one_label
                                 ? "rows whose label is '" + settings_.keep_label + "'"
                                 : "at least one record",
                 .fix = "check the file and the set's options"});
  }

  const SetSettings& settings_;
  const bert::Tokenizer& tokenizer_;
  const std::int32_t max_length_;
  const int threads_;
  const ReadingHooks& hooks_;
  RecordReader records_;
  std::int64_t rows_ = 0, bad_lines_ = 0;
  Error::Text first_problem_;
  std::string text_;               // texts that wait to be tokenised, one after the other
  std::vector<std::size_t> ends_;  // of each in text_
  bert::Tokens tokens_;
  std::vector<float> labels_;
};

}  // namespace

TrainingSet read_set(const SetSettings& settings, const bert::Tokenizer& tokenizer,
                     std::int32_t max_length, int threads, const ReadingHooks& hooks) {
  return SetReader(settings, tokenizer, max_length, threads, hooks).read();
}

}  // namespace sbert
