#include "bert/tokenizer_files.h"

#include <algorithm>
#include <filesystem>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>

#include "trainhost/error.h"
#include "trainhost/files.h"

namespace bert {
namespace {

using nlohmann::json;
using trainhost::Error;
using trainhost::Failure;

constexpr std::int64_t kLargestFile = std::int64_t{64} << 20;
constexpr const char* kSupported =
    "a WordPiece tokenizer of BERT: BertNormalizer, BertPreTokenizer, [CLS] A [SEP] B [SEP]";

[[noreturn]] void refuse(const std::string& path, std::string what, std::string got = "",
                         std::string expected = kSupported) {
  throw Error(Failure::kUser, {.where = path,
                               .what = std::move(what),
                               .expected = std::move(expected),
                               .got = std::move(got),
                               .fix = "take a BERT model that has such a tokenizer"});
}

std::string shown(const json& value) {
  constexpr std::size_t kLongest = 80;
  std::string text = value.dump(-1, ' ', true, json::error_handler_t::replace);
  if (text.size() > kLongest) text = text.substr(0, kLongest) + "…";
  return text;
}

json read_json(const std::string& path) {
  const std::string text = trainhost::read_text_file(path, kLargestFile);
  try {
    return json::parse(text);
  } catch (const json::parse_error& error) {
    const auto end = text.begin() + static_cast<std::ptrdiff_t>(std::min(error.byte, text.size()));
    throw Error(Failure::kUser,
                {.where = path + ":" + std::to_string(1 + std::count(text.begin(), end, '\n')),
                 .what = "this is no JSON",
                 .got = "an error at byte " + std::to_string(error.byte),
                 .fix = "the file is cut off or damaged: fetch it again"});
  }
}

/// A table of a file, with the path of its keys for errors.
class Reader {
 public:
  Reader(const json& table, std::string path) : table_(table), path_(std::move(path)) {
    if (!table.is_object()) refuse(path_, "this is no table", shown(table), "a JSON object");
  }

  const json* find(const char* key) const {
    const auto found = table_.find(key);
    return found == table_.end() || found->is_null() ? nullptr : &*found;
  }
  std::optional<bool> flag(const char* key) const {
    const json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_boolean()) wrong(key, *value, "true or false");
    return value->get<bool>();
  }
  std::optional<std::string> text(const char* key) const {
    const json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_string()) wrong(key, *value, "a text");
    return value->get<std::string>();
  }
  std::optional<std::int64_t> integer(const char* key) const {
    const json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_number_integer()) wrong(key, *value, "an integer");
    return value->get<std::int64_t>();
  }
  /// A table that is absent counts as empty.
  Reader table(const char* key) const {
    static const json kEmpty = json::object();
    const json* value = find(key);
    return Reader(value == nullptr ? kEmpty : *value, path_ + ", " + key);
  }
  const json& list(const char* key) const {
    static const json kEmpty = json::array();
    const json* value = find(key);
    if (value != nullptr && !value->is_array()) wrong(key, *value, "a list");
    return value == nullptr ? kEmpty : *value;
  }
  /// "type" must be one of these.
  std::string type(std::initializer_list<const char*> known) const {
    const std::string got = text("type").value_or("");
    for (const char* name : known) {
      if (got == name) return got;
    }
    refuse(path_, "a '" + got + "' is not supported");
  }
  const std::string& path() const { return path_; }
  const json& all() const { return table_; }

 private:
  [[noreturn]] void wrong(const char* key, const json& value, const char* expected) const {
    refuse(path_, std::string("'") + key + "' has another type", shown(value), expected);
  }

  const json& table_;
  std::string path_;
};

void read_normalizer(const Reader& root, Normalisation& out) {
  if (root.find("normalizer") == nullptr) {
    out = {false, false, false, false};
    return;
  }
  const Reader normalizer = root.table("normalizer");
  normalizer.type({"BertNormalizer"});
  out.clean_text = normalizer.flag("clean_text").value_or(true);
  out.handle_chinese_chars = normalizer.flag("handle_chinese_chars").value_or(true);
  out.lowercase = normalizer.flag("lowercase").value_or(true);
  out.strip_accents = normalizer.flag("strip_accents").value_or(out.lowercase);
}

/// The names of [CLS] and [SEP], from what stands around a text.
void read_post_processor(const Reader& root, TokenizerSettings& out) {
  const Reader processor = root.table("post_processor");
  if (processor.type({"BertProcessing", "TemplateProcessing"}) == "BertProcessing") {
    for (const auto& [key, name] : {std::pair{"cls", &out.cls}, std::pair{"sep", &out.sep}}) {
      const json& pair = processor.list(key);
      if (pair.size() != 2 || !pair[0].is_string())
        refuse(processor.path(), "no token", shown(pair));
      *name = pair[0].get<std::string>();
    }
    return;
  }
  // [CLS] A [SEP], [CLS] A [SEP] B [SEP], as "S0:[CLS]" and "Q1:B".
  const auto form = [&](const char* key) {
    std::vector<std::string> parts;
    for (const json& item : processor.list(key)) {
      const Reader part(item, processor.path() + ", " + key);
      const bool special = part.find("SpecialToken") != nullptr;
      const Reader inner = part.table(special ? "SpecialToken" : "Sequence");
      parts.push_back((special ? "S" : "Q") +
                      std::to_string(inner.integer("type_id").value_or(-1)) + ":" +
                      inner.text("id").value_or(""));
    }
    return parts;
  };
  const std::vector<std::string> single = form("single"), pair = form("pair");
  const bool three = single.size() == 3 && single[0].starts_with("S0:") && single[1] == "Q0:A" &&
                     single[2].starts_with("S0:");
  if (!three)
    refuse(processor.path(), "this form is not supported", shown(processor.list("single")));
  out.cls = single[0].substr(3), out.sep = single[2].substr(3);
  const std::vector<std::string> expected = {single[0], "Q0:A", single[2], "Q1:B", "S1:" + out.sep};
  if (pair != expected) {
    refuse(processor.path(), "this form of pairs is not supported", shown(processor.list("pair")));
  }
}

/// Tokens by id. There are as many as the two lists have entries at most, so an id beyond that
/// leaves a hole, and costs no memory.
class TokenList {
 public:
  TokenList(std::string path, std::size_t most) : path_(std::move(path)), most_(most) {}

  void place(std::int64_t id, const std::string& token) {
    if (id < 0 || id >= static_cast<std::int64_t>(most_)) {
      refuse(path_, "the id of '" + token + "' is out of range", std::to_string(id),
             "ids from 0 without gaps, so at most " + std::to_string(most_ - 1));
    }
    const auto at = static_cast<std::size_t>(id);
    if (at >= tokens_.size()) tokens_.resize(at + 1);
    if (!tokens_[at].empty() && tokens_[at] != token) {
      refuse(path_, "two tokens have the id " + std::to_string(id),
             "'" + tokens_[at] + "' and '" + token + "'", "one token an id");
    }
    tokens_[at] = token;
  }
  const std::vector<std::string>& all() const { return tokens_; }

 private:
  std::string path_;
  std::size_t most_;
  std::vector<std::string> tokens_;
};

void read_vocab(const Reader& model, TokenList& tokens) {
  for (const auto& [token, id] : model.table("vocab").all().items()) {
    if (!id.is_number_integer()) {
      refuse(model.path(), "the id of '" + token + "' is no integer", shown(id), "ids from 0");
    }
    tokens.place(id.get<std::int64_t>(), token);
  }
}

void read_added(const Reader& root, TokenList& tokens, TokenizerSettings& out) {
  for (const json& item : root.list("added_tokens")) {
    const Reader added(item, root.path() + ", added_tokens");
    const std::string content = added.text("content").value_or("");
    if (content.empty()) refuse(added.path(), "a token without content", shown(item));
    // White space around it, which lstrip and rstrip take, goes anyway.
    if (added.flag("single_word").value_or(false) || added.flag("normalized").value_or(false)) {
      refuse(added.path(), "the added token '" + content + "' is not supported", shown(item),
             "tokens with normalized = false and single_word = false");
    }
    tokens.place(added.integer("id").value_or(-1), content);
    out.added.push_back(content);
  }
}

std::string name_of(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_object() && value.contains("content") && value["content"].is_string()) {
    return value["content"].get<std::string>();
  }
  return "";
}

/// What tokenizer_config.json says goes before all else.
void read_config(const std::string& path, TokenizerSettings& out) {
  const json config = read_json(path);
  const Reader root(config, path);
  const std::string kind = root.text("tokenizer_class").value_or("BertTokenizer");
  if (kind != "BertTokenizer" && kind != "BertTokenizerFast" && kind != "PreTrainedTokenizerFast" &&
      kind != "TokenizersBackend") {
    refuse(path, "a " + kind + " is not supported", kind, "BertTokenizer or BertTokenizerFast");
  }
  Normalisation& normalisation = out.normalisation;
  if (const auto lower = root.flag("do_lower_case"); lower && *lower != normalisation.lowercase) {
    normalisation.lowercase = normalisation.strip_accents = *lower;
  }
  if (const auto strip = root.flag("strip_accents")) normalisation.strip_accents = *strip;
  if (const auto chinese = root.flag("tokenize_chinese_chars")) {
    normalisation.handle_chinese_chars = *chinese;
  }
  for (const auto& [key, name] :
       {std::pair{"pad_token", &out.pad}, std::pair{"unk_token", &out.unk},
        std::pair{"cls_token", &out.cls}, std::pair{"sep_token", &out.sep},
        std::pair{"mask_token", &out.mask}}) {
    const json* value = root.find(key);
    if (value != nullptr) *name = name_of(*value);
    if (name->empty()) refuse(path, std::string("'") + key + "' names no token", shown(*value));
  }
}

}  // namespace

TokenizerParts read_tokenizer_json(const std::string& path) {
  const json file = read_json(path);
  const Reader root(file, path);
  const Reader model = root.table("model");
  if (model.find("type") != nullptr || model.find("merges") != nullptr) model.type({"WordPiece"});
  TokenizerSettings settings;
  read_normalizer(root, settings.normalisation);
  root.table("pre_tokenizer").type({"BertPreTokenizer"});
  read_post_processor(root, settings);
  settings.unk = model.text("unk_token").value_or(settings.unk);
  const std::int64_t longest = model.integer("max_input_chars_per_word").value_or(100);
  settings.max_input_chars_per_word =
      static_cast<std::int32_t>(std::clamp<std::int64_t>(longest, 0, kMaxWordChars + 1));
  TokenList tokens(path, model.table("vocab").all().size() + root.list("added_tokens").size());
  read_vocab(model, tokens);
  read_added(root, tokens, settings);
  return {
      Vocabulary(tokens.all(), path, false, model.text("continuing_subword_prefix").value_or("##")),
      std::move(settings)};
}

Tokenizer Tokenizer::from_directory(const std::string& folder) {
  namespace fs = std::filesystem;
  const fs::path base(folder);
  const std::string as_json = base / "tokenizer.json", as_text = base / "vocab.txt";
  const std::string config = base / "tokenizer_config.json";
  std::error_code ignored;
  const bool has_json = fs::exists(as_json, ignored), has_text = fs::exists(as_text, ignored);
  if (!has_json && !has_text) {
    throw Error(Failure::kUser,
                {.where = folder,
                 .what = "this folder has no vocabulary",
                 .expected = "tokenizer.json or vocab.txt of a BERT model",
                 .fix = "give the folder that transformers or sentence-transformers "
                        "saved"});
  }
  TokenizerParts parts = has_json ? read_tokenizer_json(as_json)
                                  : TokenizerParts(Vocabulary::from_text_file(as_text), {});
  if (fs::exists(config, ignored)) read_config(config, parts.second);
  return Tokenizer(std::move(parts.first), std::move(parts.second));
}

}  // namespace bert
