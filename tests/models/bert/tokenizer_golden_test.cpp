// The tokenizer against ids of the reference: a small golden of our own (golden/make_tokenizer.py),
// and the two large ones of $TRAINHOST_DATA/sbert.
#include <fstream>
#include <map>
#include <sstream>

#include "bert/codepoints.h"
#include "bert/utf8.h"
#include "support.h"

namespace {

using namespace bert;
using namespace bert::testing;
using nlohmann::json;

json golden() {
  std::ifstream file(BERT_TOKENIZER_GOLDEN);
  return json::parse(file);
}

Normalisation normalisation_of(const json& settings) {
  Normalisation out;
  out.clean_text = settings.value("clean_text", true);
  out.handle_chinese_chars = settings.value("handle_chinese_chars", true);
  out.lowercase = settings.value("lowercase", true);
  out.strip_accents = settings.value("strip_accents", true);
  return out;
}

std::string bytes_of(const std::string& hex) {
  std::string out;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    out += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return out;
}

void check_group(const json& group, const Tokenizer& tokenizer) {
  for (const json& one : group["texts"]) {
    INFO(group["name"] << ": '" << one["text"].get<std::string>() << "'");
    const auto text = one["text"].get<std::string>();
    CHECK(ids_of(tokenizer, text, one.value("max_length", 0)) == one["ids"].get<Ids>());
  }
  for (const json& one : group["bytes"]) {
    INFO(group["name"] << ": " << one["hex"]);
    const std::string text = bytes_of(one["hex"].get<std::string>());
    CHECK(ids_of(tokenizer, text) == one["ids"].get<Ids>());
  }
  for (const json& one : group["pairs"]) {
    INFO(group["name"] << ": " << one.dump());
    Ids ids;
    std::vector<std::uint8_t> types;
    tokenizer.append_pair(one["a"].get<std::string>(), one["b"].get<std::string>(),
                          one["max_length"], ids, types);
    CHECK(ids == one["ids"].get<Ids>());
    CHECK(types == one["types"].get<std::vector<std::uint8_t>>());
  }
}

TEST_CASE("ids are the reference's under every setting") {
  const json document = golden();
  const Vocabulary vocabulary(document["vocabulary"].get<std::vector<std::string>>(), "golden");
  REQUIRE(document["groups"].size() == 6);
  for (const json& group : document["groups"]) {
    TokenizerSettings settings;
    settings.normalisation = normalisation_of(group["settings"]);
    check_group(group, Tokenizer(vocabulary, settings));
  }
}

Tokenizer real_tokenizer(const std::string& data) {
  return Tokenizer(Vocabulary::from_text_file(data + "/vocab/bert-base-uncased-vocab.txt"), {});
}

TEST_CASE("every line of the reference's single texts") {
  const std::string data = real_data();
  if (data.empty()) return;
  const Tokenizer tokenizer = real_tokenizer(data);
  std::ifstream file(data + "/golden/hf_single_nolimit.jsonl");
  int lines = 0, wrong = 0;
  for (std::string line; std::getline(file, line); ++lines) {
    const json one = json::parse(line);
    if (ids_of(tokenizer, one["text"].get<std::string>()) == one["ids"].get<Ids>()) continue;
    UNSCOPED_INFO(line);
    ++wrong;
  }
  CHECK(lines == 5048);
  CHECK(wrong == 0);
}

TEST_CASE("every line of the reference's pairs") {
  const std::string data = real_data();
  if (data.empty()) return;
  const Tokenizer tokenizer = real_tokenizer(data);
  std::ifstream file(data + "/golden/hf_pair_longest_first.jsonl");
  int lines = 0, wrong = 0;
  for (std::string line; std::getline(file, line); ++lines) {
    const json one = json::parse(line);
    Ids ids;
    std::vector<std::uint8_t> types;
    tokenizer.append_pair(one["a"].get<std::string>(), one["b"].get<std::string>(),
                          one["max_length"], ids, types);
    if (ids == one["ids"].get<Ids>() && types == one["type_ids"].get<std::vector<std::uint8_t>>()) {
      continue;
    }
    UNSCOPED_INFO(line);
    ++wrong;
  }
  CHECK(lines == 4000);
  CHECK(wrong == 0);
}

/// What normalisation makes of one code point, spaces around ideographs included.
std::u32string normalised(const Codepoints& codepoints, char32_t codepoint, bool ideograph) {
  std::u32string out;
  const std::uint32_t action = codepoints.action(codepoint);
  if (action == Codepoints::kDrop) return out;
  if (action == Codepoints::kSpace) return U" ";
  if (action >= Codepoints::kFirstReplaced) {
    for (const Codepoints::Symbol& symbol : codepoints.replacement(action)) {
      out += decode_utf8({symbol.bytes.data(), symbol.size}, 0).codepoint;
    }
  } else {
    out = codepoint;
  }
  return ideograph ? U" " + out + U" " : out;
}

TEST_CASE("every code point becomes what the reference makes of it") {
  const std::string data = real_data();
  if (data.empty()) return;
  struct Row {
    std::u32string becomes;
    std::string kind;
  };
  std::map<char32_t, Row> listed;
  std::ifstream file(data + "/golden/hf_bert_uncased_codepoints.tsv");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("#")) continue;
    const std::size_t first = line.find('\t'), second = line.find('\t', first + 1);
    Row row{{}, line.substr(second + 1)};
    std::istringstream codes(line.substr(first + 1, second - first - 1));
    for (std::uint32_t code; codes >> std::hex >> code;) row.becomes += static_cast<char32_t>(code);
    listed.emplace(static_cast<char32_t>(std::stoul(line.substr(0, first), nullptr, 16)), row);
  }
  REQUIRE(listed.size() > 100'000);

  const Codepoints codepoints{Normalisation{}};
  int wrong = 0;
  for (char32_t codepoint = 0; codepoint < 0x110000; ++codepoint) {
    if (codepoint >= 0xD800 && codepoint < 0xE000) continue;
    const auto found = listed.find(codepoint);
    const Row expected =
        found == listed.end() ? Row{std::u32string(1, codepoint), "word"} : found->second;
    const bool ideograph = expected.becomes.size() >= 3 && expected.becomes.front() == U' ';
    const std::uint32_t action = codepoints.action(codepoint);
    const bool isolated =
        action == Codepoints::kIsolate ||
        (action >= Codepoints::kFirstReplaced && codepoints.replacement(action).front().isolated);
    const bool same = normalised(codepoints, codepoint, ideograph) == expected.becomes &&
                      (!ideograph || isolated) &&
                      (action != Codepoints::kIsolate || ideograph || expected.kind == "punct");
    if (same) continue;
    UNSCOPED_INFO("U+" << std::hex << static_cast<std::uint32_t>(codepoint));
    ++wrong;
  }
  CHECK(wrong == 0);
}

}  // namespace
