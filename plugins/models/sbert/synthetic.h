// Made-up sentences about topics, for when no data is at hand.
//
// Every topic has words of its own; a sentence is a few of them among common words. How alike two
// sentences are is the share of words that the second has from the first's topic: so an encoder
// that learns which words belong together learns the scores, and word overlap alone does not tell
// them. The words are no language's; some are one piece of the vocabulary, some are two.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bert/tokenizer.h"
#include "trainhost/random.h"

namespace sbert {

struct SyntheticOptions {
  std::int32_t topics = 16;
  std::int32_t words_per_topic = 12;
  std::int32_t common_words = 40;
  std::int32_t topic_words = 6;  ///< of a sentence
  std::uint64_t seed = 7;
};

/// Purpose: data of every kind that a sentence encoder is trained and measured with. Row i of a
/// `part` ("train", "dev", …) is a function of options, part and i alone. Owner: owns its words.
/// Threads and ranks: immutable, any thread; equal on all ranks.
class SyntheticText {
 public:
  /// Throws trainhost::Error (kUser) for counts that make no data.
  explicit SyntheticText(const SyntheticOptions& options);

  /// Lower case, with all words, and letters for any other text.
  bert::Tokenizer tokenizer() const;

  struct Pair {
    std::string first, second;
    float score;  ///< in 0 .. 1: the share of the second's words from the first's topic
  };
  Pair pair(std::string_view part, std::int64_t row) const;
  /// Anchor, a sentence of its topic, one of another.
  std::array<std::string, 3> triple(std::string_view part, std::int64_t row) const;
  struct Inference {
    std::string premise, hypothesis;
    std::int32_t label;  ///< 0 the same topic, 1 half of it, 2 another
  };
  Inference inference(std::string_view part, std::int64_t row) const;
  /// A text to be searched for or in: what has the same topic is relevant.
  struct Document {
    std::string text;
    std::int32_t topic;
  };
  Document document(std::string_view part, std::int64_t row) const;

 private:
  using Cursor = trainhost::Random::Cursor;
  struct Words {
    std::vector<std::string> words;
    std::vector<std::string> pieces;  // of the vocabulary
  };

  std::int32_t draw_topic(Cursor& draws, std::int32_t other_than) const;
  /// `own` of the topic words are of `topic`, the others of another.
  std::string sentence(Cursor& draws, std::int32_t topic, std::int32_t own) const;
  Cursor cursor(std::string_view kind, std::string_view part, std::int64_t row) const;
  static Words make_words(const SyntheticOptions& options);

  SyntheticOptions options_;
  Words words_;  // topic by topic, then the common ones
};

}  // namespace sbert
