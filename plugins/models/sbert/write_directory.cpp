// Writing a folder that sentence-transformers loads.
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "bert/parameters.h"
#include "sbert/directory.h"
#include "trainhost/error.h"
#include "trainhost/files.h"
#include "trainhost/safetensors.h"

namespace sbert {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using trainhost::TensorHeader;

constexpr std::int64_t kMaxCopied = std::int64_t{256} << 20;
/// The first version with every file that is written here.
constexpr const char* kVersion = "3.0.0";

void write_json(const std::string& path, const Json& json) {
  trainhost::write_text_file(path, json.dump(2));
}

void write_modules(const std::string& folder, bool normalise) {
  Json modules = Json::array();
  const auto add = [&](const char* path, const char* kind) {
    const std::string index = std::to_string(modules.size());
    modules.push_back({{"idx", modules.size()},
                       {"name", index},
                       {"path", path},
                       {"type", std::string("sentence_transformers.models.") + kind}});
  };
  add("", "Transformer");
  add("1_Pooling", "Pooling");
  if (normalise) add("2_Normalize", "Normalize");
  write_json(folder + "/modules.json", modules);
}

void write_pooling(const std::string& folder, const Directory& directory) {
  trainhost::make_folder(folder);
  const auto has = [&](bert::Pooling pooling) {
    return std::ranges::find(directory.poolings, pooling) != directory.poolings.end();
  };
  write_json(folder + "/config.json",
             {{"word_embedding_dimension", directory.config.hidden},
              {"pooling_mode_cls_token", has(bert::Pooling::kCls)},
              {"pooling_mode_mean_tokens", has(bert::Pooling::kMean)},
              {"pooling_mode_max_tokens", has(bert::Pooling::kMax)},
              {"pooling_mode_mean_sqrt_len_tokens", has(bert::Pooling::kMeanSqrtLen)},
              {"pooling_mode_weightedmean_tokens", has(bert::Pooling::kWeightedMean)},
              {"pooling_mode_lasttoken", has(bert::Pooling::kLast)},
              {"include_prompt", directory.include_prompt}});
}

void write_prompts(const std::string& folder, const Directory& directory) {
  Json prompts = Json::object();
  for (const auto& [name, text] : directory.prompts) prompts[name] = text;
  Json json = {{"__version__", {{"sentence_transformers", kVersion}}},
               {"prompts", prompts},
               {"default_prompt_name", nullptr},
               {"similarity_fn_name", directory.similarity}};
  if (!directory.default_prompt.empty()) json["default_prompt_name"] = directory.default_prompt;
  write_json(folder + "/config_sentence_transformers.json", json);
}

/// A fast tokenizer from nothing but vocabulary and settings.
Json tokenizer_json(const bert::Tokenizer& tokenizer) {
  const auto& settings = tokenizer.settings();
  const auto special = [](std::int32_t id, const std::string& content) {
    return Json{{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
                {"rstrip", false}, {"normalized", false}, {"special", true}};
  };
  Json added = Json::array();
  const std::map<std::int32_t, std::string> specials = {{tokenizer.pad_id(), settings.pad},
                                                        {tokenizer.unk_id(), settings.unk},
                                                        {tokenizer.cls_id(), settings.cls},
                                                        {tokenizer.sep_id(), settings.sep},
                                                        {tokenizer.mask_id(), settings.mask}};
  for (const auto& [id, content] : specials) added.push_back(special(id, content));
  Json vocabulary = Json::object();
  for (std::int32_t id = 0; id < tokenizer.size(); ++id) {
    vocabulary[std::string(tokenizer.vocabulary().token(id))] = id;
  }
  const auto piece = [](const char* kind, const std::string& id, int type) {
    return Json{{kind, {{"id", id}, {"type_id", type}}}};
  };
  const auto template_token = [](const std::string& content, std::int32_t id) {
    return Json{{"id", content}, {"ids", {id}}, {"tokens", {content}}};
  };
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", added},
          {"normalizer",
           {{"type", "BertNormalizer"},
            {"clean_text", settings.normalisation.clean},
            {"handle_chinese_chars", settings.normalisation.isolate_cjk},
            {"strip_accents", settings.normalisation.strip_accents},
            {"lowercase", settings.normalisation.lowercase}}},
          {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
          {"post_processor",
           {{"type", "TemplateProcessing"},
            {"single",
             {piece("SpecialToken", settings.cls, 0), piece("Sequence", "A", 0),
              piece("SpecialToken", settings.sep, 0)}},
            {"pair",
             {piece("SpecialToken", settings.cls, 0), piece("Sequence", "A", 0),
              piece("SpecialToken", settings.sep, 0), piece("Sequence", "B", 1),
              piece("SpecialToken", settings.sep, 1)}},
            {"special_tokens",
             {{settings.cls, template_token(settings.cls, tokenizer.cls_id())},
              {settings.sep, template_token(settings.sep, tokenizer.sep_id())}}}}},
          {"decoder", {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}}},
          {"model",
           {{"type", "WordPiece"},
            {"unk_token", settings.unk},
            {"continuing_subword_prefix", tokenizer.vocabulary().prefix()},
            {"max_input_chars_per_word", settings.max_input_chars_per_word},
            {"vocab", vocabulary}}}};
}

Json special_tokens(const bert::TokenizerSettings& settings) {
  return {{"unk_token", settings.unk},
          {"sep_token", settings.sep},
          {"pad_token", settings.pad},
          {"cls_token", settings.cls},
          {"mask_token", settings.mask}};
}

/// What the model came with is kept as it is; the rest is written.
void write_tokenizer(const std::string& folder, const Directory& directory,
                     const bert::Tokenizer& tokenizer) {
  const auto copied = [&](const char* name) {
    const std::string from = directory.transformer + "/" + name;
    std::error_code ignored;
    if (directory.transformer.empty() || !fs::is_regular_file(from, ignored)) return false;
    trainhost::write_text_file(folder + "/" + name, trainhost::read_text_file(from, kMaxCopied));
    return true;
  };
  const auto& settings = tokenizer.settings();
  if (!copied("tokenizer.json")) write_json(folder + "/tokenizer.json", tokenizer_json(tokenizer));
  if (!copied("special_tokens_map.json")) {
    write_json(folder + "/special_tokens_map.json", special_tokens(settings));
  }
  if (!copied("vocab.txt")) {
    std::string lines;
    for (std::int32_t id = 0; id < tokenizer.size(); ++id) {
      lines.append(tokenizer.vocabulary().token(id)).push_back('\n');
    }
    trainhost::write_text_file(folder + "/vocab.txt", lines);
  }
  if (!copied("tokenizer_config.json")) {
    Json config = special_tokens(settings);
    config["do_lower_case"] = settings.normalisation.lowercase;
    config["strip_accents"] = settings.normalisation.strip_accents;
    config["tokenize_chinese_chars"] = settings.normalisation.isolate_cjk;
    config["model_max_length"] = directory.max_seq_length;
    config["tokenizer_class"] = "BertTokenizer";
    write_json(folder + "/tokenizer_config.json", config);
  }
}

/// The encoder's parameters come unit by unit, as they are declared; the file has them under
/// Hugging Face's names, of which several may lie in one parameter.
void write_weights(const std::string& path, const bert::Config& config, bool with_pooler,
                   const trainhost::Exporter::Visitor& tensors) {
  std::vector<std::vector<std::vector<bert::HfTensor>>> of_parameter;  // by unit and parameter
  std::map<std::string, std::pair<int, std::size_t>> places;           // by our full name
  for (int unit = 0; unit < bert::unit_count(config); ++unit) {
    const auto parameters = bert::parameters_of(config, unit);
    of_parameter.emplace_back(parameters.size());
    for (std::size_t p = 0; p < parameters.size(); ++p) {
      places[parameters[p].unit + "/" + parameters[p].name] = {unit, p};
    }
  }
  for (const bert::HfTensor& tensor : bert::hf_tensors(config)) {
    if (!with_pooler && tensor.unit == bert::pooler_unit(config)) continue;
    of_parameter[static_cast<std::size_t>(tensor.unit)][tensor.parameter].push_back(tensor);
  }
  std::vector<TensorHeader> headers;
  for (const auto& unit : of_parameter) {
    for (const auto& parameter : unit) {
      for (const bert::HfTensor& tensor : parameter) {
        headers.push_back({tensor.name, at::kFloat, tensor.shape});
      }
    }
  }
  trainhost::SafetensorsWriter writer(path, std::move(headers), {{"format", "pt"}});
  tensors([&](const std::string& name, const at::Tensor& tensor) {
    const auto place = places.find(name);
    if (place == places.end()) return;  // a head that is not saved with the encoder
    const auto& [unit, parameter] = place->second;
    for (const bert::HfTensor& part : of_parameter[static_cast<std::size_t>(unit)][parameter]) {
      writer.append(tensor.narrow(0, part.first_row, part.shape[0]).to(at::kFloat));
    }
  });
  writer.finish();
}

}  // namespace

void write_directory(const std::string& folder, const Directory& directory,
                     const bert::Tokenizer& tokenizer, bool with_pooler,
                     const trainhost::Exporter::Visitor& tensors) {
  write_modules(folder, directory.normalise);
  write_pooling(folder + "/1_Pooling", directory);
  if (directory.normalise) trainhost::make_folder(folder + "/2_Normalize");
  write_prompts(folder, directory);
  write_json(folder + "/sentence_bert_config.json",
             {{"max_seq_length", directory.max_seq_length}, {"do_lower_case", false}});
  trainhost::write_text_file(folder + "/config.json", directory.config.to_json());
  write_tokenizer(folder, directory, tokenizer);
  write_weights(folder + "/model.safetensors", directory.config, with_pooler, tensors);
}

}  // namespace sbert
