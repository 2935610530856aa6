// Writing a folder that sentence-transformers loads.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "bert/parameters.h"
#include "bert/tokenizer_files.h"
#include "sbert/directory.h"
#include "trainhost/error.h"
#include "trainhost/files.h"
#include "trainhost/safetensors.h"

namespace sbert {
namespace {

using Json = nlohmann::ordered_json;
using trainhost::TensorHeader;

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

/// The old style knows which modes there are; their order is fixed, that of the enumeration.
void write_pooling(const std::string& folder, const Directory& directory) {
  trainhost::make_folder(folder);
  Json config = {{"word_embedding_dimension", directory.config.hidden}};
  if (std::ranges::is_sorted(directory.poolings)) {
    constexpr std::pair<bert::Pooling, const char*> kModes[] = {
        {bert::Pooling::kCls, "pooling_mode_cls_token"},
        {bert::Pooling::kMean, "pooling_mode_mean_tokens"},
        {bert::Pooling::kMax, "pooling_mode_max_tokens"},
        {bert::Pooling::kMeanSqrtLen, "pooling_mode_mean_sqrt_len_tokens"},
        {bert::Pooling::kWeightedMean, "pooling_mode_weightedmean_tokens"},
        {bert::Pooling::kLast, "pooling_mode_lasttoken"}};
    for (const auto& [mode, key] : kModes) {
      config[key] = std::ranges::find(directory.poolings, mode) != directory.poolings.end();
    }
  } else {
    config["pooling_mode"] = Json::array();
    for (const bert::Pooling mode : directory.poolings) {
      config["pooling_mode"].push_back(bert::name_of(mode));
    }
  }
  config["include_prompt"] = directory.include_prompt;
  write_json(folder + "/config.json", config);
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
  bert::write_tokenizer(tokenizer, folder, static_cast<std::int32_t>(directory.max_seq_length));
  write_weights(folder + "/model.safetensors", directory.config, with_pooler, tensors);
}

}  // namespace sbert
