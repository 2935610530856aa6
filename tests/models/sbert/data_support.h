// What the tests of the data share: folders, a small tokenizer, sets.
#pragma once

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "sbert/training_set.h"
#include "trainhost/error.h"
#include "written_folder.h"

namespace sbert::testing {

using trainhost::testing::WrittenFolder;

/// The text of the trainhost::Error that `call` throws.
template <class Call>
std::string error_of(Call call) {
  try {
    call();
  } catch (const trainhost::Error& error) {
    CHECK(error.failure() == trainhost::Failure::kUser);
    return error.what();
  }
  return "no error";
}

inline bool has(const std::string& text, const std::string& part) {
  UNSCOPED_INFO(text);
  return text.find(part) != std::string::npos;
}

/// Ids: [PAD] 0, [UNK] 1, [CLS] 2, [SEP] 3, [MASK] 4, a 5, b 6, … z 30.
inline const bert::Tokenizer& letters() {
  static const bert::Tokenizer kTokenizer = [] {
    std::vector<std::string> tokens = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    for (char letter = 'a'; letter <= 'z'; ++letter) tokens.emplace_back(1, letter);
    return bert::Tokenizer(bert::Vocabulary(tokens, "letters"), {});
  }();
  return kTokenizer;
}

/// The text that ids stand for, without [CLS] and [SEP].
inline std::string text_of(std::span<const std::int32_t> ids) {
  std::string out;
  for (const std::int32_t id : ids.subspan(1, ids.size() - 2)) {
    out += letters().vocabulary().token(id);
  }
  return out;
}

/// Rows as "a|b": their texts, and "=label" behind where they have one.
inline std::vector<std::string> rows_of(const TrainingSet& set) {
  std::vector<std::string> out;
  for (std::int64_t row = 0; row < set.rows(); ++row) {
    std::string text;
    for (std::int64_t column = 0; column < set.columns(); ++column) {
      text += (column > 0 ? "|" : "") + text_of(set.tokens(row, column));
    }
    if (set.has_labels()) text += "=" + std::to_string(set.label(row)).substr(0, 4);
    out.push_back(text);
  }
  return out;
}

}  // namespace sbert::testing
