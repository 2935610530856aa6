// write_tokenizer: the four files that transformers reads.
#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "bert/tokenizer_files.h"
#include "trainhost/files.h"

namespace bert {
namespace {

using nlohmann::ordered_json;

ordered_json template_of(const Tokenizer& tokenizer) {
  const TokenizerSettings& settings = tokenizer.settings();
  const auto part = [](const char* kind, const std::string& id, int type) {
    return ordered_json{{kind, {{"id", id}, {"type_id", type}}}};
  };
  const ordered_json cls = part("SpecialToken", settings.cls, 0), a = part("Sequence", "A", 0),
                     sep = part("SpecialToken", settings.sep, 0), b = part("Sequence", "B", 1),
                     last = part("SpecialToken", settings.sep, 1);
  ordered_json tokens = ordered_json::object();
  for (const auto& [name, id] :
       {std::pair{settings.cls, tokenizer.cls_id()}, std::pair{settings.sep, tokenizer.sep_id()}}) {
    tokens[name] = {
        {"id", name}, {"ids", ordered_json::array({id})}, {"tokens", ordered_json::array({name})}};
  }
  return {{"type", "TemplateProcessing"},
          {"single", ordered_json::array({cls, a, sep})},
          {"pair", ordered_json::array({cls, a, sep, b, last})},
          {"special_tokens", tokens}};
}

std::vector<std::string> special_names(const TokenizerSettings& settings) {
  std::vector<std::string> out = {settings.pad, settings.unk, settings.cls, settings.sep,
                                  settings.mask};
  for (const std::string& name : settings.added) {
    if (std::find(out.begin(), out.end(), name) == out.end()) out.push_back(name);
  }
  return out;
}

ordered_json tokenizer_json(const Tokenizer& tokenizer) {
  const TokenizerSettings& settings = tokenizer.settings();
  const Normalisation& normalisation = settings.normalisation;
  const Vocabulary& vocabulary = tokenizer.vocabulary();
  ordered_json added = ordered_json::array();
  for (const std::string& name : special_names(settings)) {
    added.push_back({{"id", vocabulary.id(name)},
                     {"content", name},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
  }
  ordered_json vocab = ordered_json::object();
  for (std::int32_t id = 0; id < vocabulary.size(); ++id) {
    // Not operator[], which looks for the key in an ordered object one by one.
    vocab.get_ref<ordered_json::object_t&>().emplace_back(std::string(vocabulary.token(id)), id);
  }
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", added},
          {"normalizer",
           {{"type", "BertNormalizer"},
            {"clean_text", normalisation.clean_text},
            {"handle_chinese_chars", normalisation.handle_chinese_chars},
            {"strip_accents", normalisation.strip_accents},
            {"lowercase", normalisation.lowercase}}},
          {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
          {"post_processor", template_of(tokenizer)},
          {"decoder", {{"type", "WordPiece"}, {"prefix", vocabulary.prefix()}, {"cleanup", true}}},
          {"model",
           {{"type", "WordPiece"},
            {"unk_token", settings.unk},
            {"continuing_subword_prefix", vocabulary.prefix()},
            {"max_input_chars_per_word", settings.max_input_chars_per_word},
            {"vocab", std::move(vocab)}}}};
}

ordered_json names_of(const TokenizerSettings& settings) {
  return {{"cls_token", settings.cls},
          {"mask_token", settings.mask},
          {"pad_token", settings.pad},
          {"sep_token", settings.sep},
          {"unk_token", settings.unk}};
}

}  // namespace

void write_tokenizer(const Tokenizer& tokenizer, const std::string& folder,
                     std::int32_t max_length) {
  const std::filesystem::path base(folder);
  const TokenizerSettings& settings = tokenizer.settings();
  std::string lines;
  for (std::int32_t id = 0; id < tokenizer.size(); ++id) {
    lines.append(tokenizer.vocabulary().token(id)).append("\n");
  }
  ordered_json config = names_of(settings);
  config.update({{"clean_up_tokenization_spaces", true},
                 {"do_lower_case", settings.normalisation.lowercase},
                 {"strip_accents", settings.normalisation.strip_accents},
                 {"tokenize_chinese_chars", settings.normalisation.handle_chinese_chars},
                 {"model_max_length", max_length},
                 {"tokenizer_class", "BertTokenizer"}});
  const auto write = [&](const char* name, const std::string& text) {
    trainhost::write_text_file((base / name).string(), text);
  };
  write("vocab.txt", lines);
  write("tokenizer.json", tokenizer_json(tokenizer).dump(2) + "\n");
  write("tokenizer_config.json", config.dump(2) + "\n");
  write("special_tokens_map.json", names_of(settings).dump(2) + "\n");
}

}  // namespace bert
