#include "sbert/synthetic.h"

#include <algorithm>
#include <set>
#include <utility>

#include "trainhost/error.h"

namespace sbert {
namespace {

using trainhost::Random;

constexpr const char* kOnsets[] = {"b", "d", "f", "g", "k", "l", "m",
                                   "n", "p", "r", "s", "t", "v", "z"};
constexpr const char* kVowels[] = {"a", "e", "i", "o", "u"};
constexpr const char* kSuffixes[] = {"ra", "min", "tos", "lek", "bu", "nis"};

std::size_t draw(Random::Cursor& draws, std::size_t bound) {
  return draws.bounded(static_cast<std::uint32_t>(bound));
}

void check(const SyntheticOptions& options) {
  // Words of three syllables there are 343,000.
  const bool good = options.topics >= 2 && options.words_per_topic >= 2 &&
                    options.common_words >= 1 && options.topic_words >= 1 &&
                    options.topics <= 1000 && options.words_per_topic <= 100 &&
                    options.common_words <= 1000 && options.topic_words <= 1000;
  if (good) return;
  throw trainhost::Error(trainhost::Failure::kUser,
                         {.where = "synthetic sentences",
                          .what = "these counts make no data",
                          .expected = "2 to 1000 topics, 2 to 100 words each, 1 to 1000 common "
                                      "words and words of a sentence",
                          .fix = "change the counts of the synthetic data"});
}

}  // namespace

SyntheticText::SyntheticText(const SyntheticOptions& options) : options_(options) {
  check(options_);
  words_ = make_words(options_);
}

SyntheticText::Words SyntheticText::make_words(const SyntheticOptions& options) {
  constexpr std::size_t kSyllables = 3, kSplitOneIn = 3;
  Words out;
  std::set<std::string> stems;
  auto draws = Random(options.seed, "sbert.synthetic.words").at(0, 0, 0);
  const std::int32_t count = options.topics * options.words_per_topic + options.common_words;
  for (const char* suffix : kSuffixes) out.pieces.push_back(std::string("##") + suffix);
  while (static_cast<std::int32_t>(stems.size()) < count) {
    std::string word;
    for (std::size_t i = 0; i < kSyllables; ++i) {
      word += kOnsets[draw(draws, std::size(kOnsets))];
      word += kVowels[draw(draws, std::size(kVowels))];
    }
    if (!stems.insert(word).second) continue;
    out.pieces.push_back(word);
    if (draw(draws, kSplitOneIn) == 0) word += kSuffixes[draw(draws, std::size(kSuffixes))];
    out.words.push_back(word);
  }
  return out;
}

bert::Tokenizer SyntheticText::tokenizer() const {
  std::vector<std::string> tokens = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
  for (char mark = '!'; mark <= '/'; ++mark) tokens.emplace_back(1, mark);
  for (char digit = '0'; digit <= '9'; ++digit) tokens.emplace_back(1, digit);
  for (const char* prefix : {"", "##"}) {
    for (char letter = 'a'; letter <= 'z'; ++letter) tokens.push_back(std::string(prefix) + letter);
  }
  tokens.insert(tokens.end(), words_.pieces.begin(), words_.pieces.end());
  return bert::Tokenizer(bert::Vocabulary(tokens, "synthetic vocabulary"), {});
}

Random::Cursor SyntheticText::cursor(std::string_view kind, std::string_view part,
                                     std::int64_t row) const {
  const std::string stream = "sbert.synthetic." + std::string(kind) + "." + std::string(part);
  return Random(options_.seed, stream).at(0, 0, static_cast<std::uint64_t>(row));
}

std::int32_t SyntheticText::draw_topic(Cursor& draws, std::int32_t other_than) const {
  const bool excludes = other_than >= 0;
  const auto bound = static_cast<std::size_t>(options_.topics - (excludes ? 1 : 0));
  const auto drawn = static_cast<std::int32_t>(draw(draws, bound));
  return excludes && drawn >= other_than ? drawn + 1 : drawn;
}

std::string SyntheticText::sentence(Cursor& draws, std::int32_t topic, std::int32_t own) const {
  const auto per_topic = static_cast<std::size_t>(options_.words_per_topic);
  const std::size_t first_common = per_topic * static_cast<std::size_t>(options_.topics);
  const std::int32_t other = draw_topic(draws, topic);
  std::vector<std::string_view> words;
  for (std::int32_t i = 0; i < options_.topic_words; ++i) {
    const auto from = static_cast<std::size_t>(i < own ? topic : other);
    words.push_back(words_.words[from * per_topic + draw(draws, per_topic)]);
    if (draw(draws, 2) == 0) {
      words.push_back(words_.words[first_common +
                                   draw(draws, static_cast<std::size_t>(options_.common_words))]);
    }
  }
  for (std::size_t left = words.size(); left > 1; --left) {
    std::swap(words[left - 1], words[draw(draws, left)]);
  }
  std::string out;
  for (const std::string_view word : words) out.append(out.empty() ? "" : " ").append(word);
  out.front() = static_cast<char>(out.front() - 'a' + 'A');
  return out + ".";
}

SyntheticText::Pair SyntheticText::pair(std::string_view part, std::int64_t row) const {
  Cursor draws = cursor("pair", part, row);
  const std::int32_t topic = draw_topic(draws, -1);
  const auto own =
      static_cast<std::int32_t>(draw(draws, static_cast<std::size_t>(options_.topic_words) + 1));
  std::string first = sentence(draws, topic, options_.topic_words);
  std::string second = sentence(draws, topic, own);
  return {std::move(first), std::move(second),
          static_cast<float>(own) / static_cast<float>(options_.topic_words)};
}

std::array<std::string, 3> SyntheticText::triple(std::string_view part, std::int64_t row) const {
  Cursor draws = cursor("triple", part, row);
  const std::int32_t topic = draw_topic(draws, -1), other = draw_topic(draws, topic);
  std::string anchor = sentence(draws, topic, options_.topic_words);
  std::string positive = sentence(draws, topic, options_.topic_words);
  return {std::move(anchor), std::move(positive), sentence(draws, other, options_.topic_words)};
}

SyntheticText::Inference SyntheticText::inference(std::string_view part, std::int64_t row) const {
  Cursor draws = cursor("inference", part, row);
  const std::int32_t topic = draw_topic(draws, -1);
  const auto label = static_cast<std::int32_t>(draw(draws, 3));
  std::string premise = sentence(draws, topic, options_.topic_words);
  const std::int32_t own = (2 - label) * options_.topic_words / 2;
  return {std::move(premise), sentence(draws, topic, own), label};
}

SyntheticText::Document SyntheticText::document(std::string_view part, std::int64_t row) const {
  Cursor draws = cursor("document", part, row);
  const std::int32_t topic = draw_topic(draws, -1);
  return {sentence(draws, topic, options_.topic_words), topic};
}

}  // namespace sbert
