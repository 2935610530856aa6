// What the tests of the tokenizer share: a small vocabulary, folders, and the goldens.
#pragma once

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bert/tokenizer.h"
#include "trainhost/error.h"
#include "written_folder.h"

namespace bert::testing {

using Ids = std::vector<std::int32_t>;

inline const std::vector<std::string>& small_vocabulary() {
  static const std::vector<std::string> kTokens = {
      "[PAD]", "[UNK]", "[CLS]",  "[SEP]", "[MASK]", "the", "cat", "sits",
      "un",    "##aff", "##able", "##s",   ",",      "!",   "a",   "##b",
  };
  return kTokens;
}

inline Tokenizer small_tokenizer(TokenizerSettings settings = {}) {
  return Tokenizer(Vocabulary(small_vocabulary(), "test"), std::move(settings));
}

inline Ids ids_of(const Tokenizer& tokenizer, std::string_view text, std::int32_t max_length = 0) {
  Ids out;
  tokenizer.append(text, max_length, out);
  return out;
}

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

/// $TRAINHOST_DATA/sbert, or "" where it is not at hand, which is said.
inline std::string real_data() {
  const char* const folder = std::getenv("TRAINHOST_DATA");
  const std::string path = folder == nullptr ? "" : std::string(folder) + "/sbert";
  if (path.empty() || !std::filesystem::is_directory(path)) {
    WARN("skipped: TRAINHOST_DATA names no folder with sbert/");
    return "";
  }
  return path;
}

}  // namespace bert::testing
