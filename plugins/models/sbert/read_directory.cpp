// Reading a folder of sentence-transformers.
#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "sbert/directory.h"
#include "trainhost/error.h"
#include "trainhost/files.h"

namespace sbert {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using trainhost::Error;
using trainhost::Failure;

constexpr std::int64_t kMaxJson = std::int64_t{1} << 20;
constexpr const char* kSupported =
    "a BERT transformer, then pooling, then maybe a normalisation: what most sentence encoders are";

[[noreturn]] void wrong(const std::string& file, const std::string& what,
                        const std::string& expected = "", const std::string& got = "") {
  throw Error(Failure::kUser,
              {.where = file, .what = what, .expected = expected, .got = got, .fix = ""});
}

/// A JSON file, read with care: it may come from anywhere.
class JsonFile {
 public:
  explicit JsonFile(std::string path) : path_(std::move(path)) {
    json_ = Json::parse(trainhost::read_text_file(path_, kMaxJson), nullptr,
                        /*allow_exceptions=*/false);
    if (json_.is_discarded()) wrong(path_, "it is no JSON");
  }

  const Json& json() const { return json_; }
  const std::string& path() const { return path_; }
  /// The member, or null where there is none or it is null.
  static const Json* find(const Json& object, const char* key) {
    const auto found = object.is_object() ? object.find(key) : object.end();
    return found == object.end() || found->is_null() ? nullptr : &*found;
  }
  std::string text(const Json& object, const char* key, const std::string& preset) const {
    const Json* value = find(object, key);
    if (value == nullptr) return preset;
    if (!value->is_string()) wrong(path_, std::string("'") + key + "' is no text");
    return value->get<std::string>();
  }
  bool flag(const Json& object, const char* key, bool preset) const {
    const Json* value = find(object, key);
    if (value == nullptr) return preset;
    if (!value->is_boolean()) wrong(path_, std::string("'") + key + "' is neither true nor false");
    return value->get<bool>();
  }
  std::int64_t whole(const Json& object, const char* key, std::int64_t preset) const {
    const Json* value = find(object, key);
    if (value == nullptr) return preset;
    // "No limit" is written as 10^30, which is no integer.
    if (value->is_number_float() && value->get<double>() > 1e18) return INT64_MAX;
    if (!value->is_number_integer()) wrong(path_, std::string("'") + key + "' is no whole number");
    return value->get<std::int64_t>();
  }

 private:
  std::string path_;
  Json json_;
};

bool exists(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

/// The folder that a module names: inside the model's own.
std::string inner_folder(const JsonFile& modules, const std::string& folder,
                         const std::string& name) {
  const fs::path path = fs::path(name).lexically_normal();
  if (path.is_absolute() || (!path.empty() && *path.begin() == "..")) {
    wrong(modules.path(), "a module lies outside the folder", "a folder in it", name);
  }
  return name.empty() ? folder : (fs::path(folder) / path).string();
}

void read_pooling(const std::string& folder, Directory& out) {
  const JsonFile file(folder + "/config.json");
  const Json& json = file.json();
  if (!json.is_object()) wrong(file.path(), "it is no JSON object");
  out.include_prompt = file.flag(json, "include_prompt", true);
  const auto add = [&](const std::string& name) {
    out.poolings.push_back(bert::pooling_of(name, file.path()));
  };
  if (const Json* mode = JsonFile::find(json, "pooling_mode")) {
    const Json modes = mode->is_array() ? *mode : Json::array({*mode});
    for (const Json& one : modes) {
      if (!one.is_string())
        wrong(file.path(), "'pooling_mode' is neither a text nor a list of such");
      add(one.get<std::string>());
    }
  } else {
    // The old style, in the order in which that package concatenates.
    constexpr std::pair<const char*, const char*> kOld[] = {
        {"pooling_mode_cls_token", "cls"},
        {"pooling_mode_max_tokens", "max"},
        {"pooling_mode_mean_tokens", "mean"},
        {"pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens"},
        {"pooling_mode_weightedmean_tokens", "weightedmean"},
        {"pooling_mode_lasttoken", "lasttoken"}};
    for (const auto& [key, name] : kOld) {
      if (file.flag(json, key, false)) add(name);
    }
    if (out.poolings.empty()) add("mean");
  }
  if (out.poolings.empty() || out.poolings.size() > 6) {
    wrong(file.path(), "'pooling_mode' has a wrong number of modes", "1 to 6",
          std::to_string(out.poolings.size()));
  }
  const std::int64_t declared = file.whole(
      json, "embedding_dimension", file.whole(json, "word_embedding_dimension", out.config.hidden));
  if (declared != out.config.hidden) {
    wrong(file.path(), "its dimension is not the transformer's", std::to_string(out.config.hidden),
          std::to_string(declared));
  }
}

/// sentence_bert_config.json, else what the tokenizer allows; never more than there are positions.
std::int64_t read_max_seq_length(const std::string& transformer, const bert::Config& config) {
  std::int64_t length = INT64_MAX;
  if (exists(transformer + "/sentence_bert_config.json")) {
    const JsonFile file(transformer + "/sentence_bert_config.json");
    length = file.whole(file.json(), "max_seq_length", length);
    const bool has = JsonFile::find(file.json(), "max_seq_length") != nullptr;
    if (has && length < 2)
      wrong(file.path(), "'max_seq_length' leaves no room for a text", "at least 3",
            std::to_string(length));
  }
  if (length == INT64_MAX && exists(transformer + "/tokenizer_config.json")) {
    const JsonFile file(transformer + "/tokenizer_config.json");
    length = file.whole(file.json(), "model_max_length", length);
    if (length < 2)
      wrong(file.path(), "'model_max_length' leaves no room for a text", "at least 3",
            std::to_string(length));
  }
  return std::min(length, config.positions);
}

void read_prompts(const std::string& folder, Directory& out) {
  const std::string path = folder + "/config_sentence_transformers.json";
  if (!exists(path)) return;
  const JsonFile file(path);
  const Json& json = file.json();
  out.similarity = file.text(json, "similarity_fn_name", "cosine");
  constexpr const char* kKnown[] = {"cosine", "dot", "euclidean", "manhattan"};
  if (std::find(std::begin(kKnown), std::end(kKnown), out.similarity) == std::end(kKnown)) {
    wrong(path, "'similarity_fn_name' is not known", "cosine, dot, euclidean or manhattan",
          out.similarity);
  }
  if (const Json* prompts = JsonFile::find(json, "prompts")) {
    if (!prompts->is_object()) wrong(path, "'prompts' is no JSON object");
    for (const auto& [name, text] : prompts->items()) {
      if (!text.is_string()) wrong(path, "the prompt '" + name + "' is no text");
      out.prompts.emplace_back(name, text.get<std::string>());
    }
  }
  out.default_prompt = file.text(json, "default_prompt_name", "");
  if (!out.default_prompt.empty()) out.prompt(out.default_prompt);
}

std::string last_part(const std::string& type) { return type.substr(type.rfind('.') + 1); }

/// The folders of the modules by kind, in the one order that is supported.
struct Modules {
  std::string transformer, pooling;
  bool normalise = false;
};

Modules read_modules(const std::string& folder) {
  const JsonFile file(folder + "/modules.json");
  if (!file.json().is_array()) wrong(file.path(), "it is no list of modules");
  Modules out;
  std::size_t at = 0;
  for (const Json& module : file.json()) {
    const std::string type = file.text(module, "type", "");
    const bool ours = type.starts_with("sentence_transformers.");
    const std::string kind = ours ? last_part(type) : type;
    const std::string inner = inner_folder(file, folder, file.text(module, "path", ""));
    if (at == 0 && kind == "Transformer") {
      out.transformer = inner;
    } else if (at == 1 && kind == "Pooling") {
      out.pooling = inner;
    } else if (at == 2 && kind == "Normalize") {
      out.normalise = true;
    } else {
      wrong(file.path(), "module " + std::to_string(at) + " is not supported", kSupported, type);
    }
    ++at;
  }
  if (at < 2) wrong(file.path(), "it has too few modules", kSupported, std::to_string(at));
  return out;
}

/// That package lowers the text itself then; it makes a difference for a cased vocabulary alone.
void refuse_lowering(const Directory& directory) {
  const std::string path = directory.transformer + "/sentence_bert_config.json";
  if (!exists(path)) return;
  const JsonFile file(path);
  if (!file.flag(file.json(), "do_lower_case", false)) return;
  const bert::Tokenizer tokenizer = bert::Tokenizer::from_directory(directory.transformer);
  if (!tokenizer.settings().normalisation.lowercase) {
    wrong(path, "'do_lower_case' with a tokenizer that keeps the case is not supported");
  }
}

}  // namespace

const std::string& Directory::prompt(const std::string& name) const {
  static const std::string kNone;
  const std::string& wanted = name.empty() ? default_prompt : name;
  if (wanted.empty()) return kNone;
  std::string known;
  for (const auto& [each, text] : prompts) {
    if (each == wanted) return text;
    known += (known.empty() ? "" : ", ") + each;
  }
  wrong("config_sentence_transformers.json", "there is no prompt of that name",
        known.empty() ? "it has none" : known, wanted);
}

Directory read_directory(const std::string& folder) {
  Directory out;
  if (!exists(folder + "/modules.json") && !exists(folder + "/config.json")) {
    throw Error(Failure::kUser,
                {.where = folder,
                 .what = exists(folder) ? "this folder holds no sentence encoder"
                                        : "there is no such folder",
                 .expected = "a folder of sentence-transformers (modules.json) or transformers "
                             "(config.json)",
                 .fix = "name the folder that SentenceTransformer.save() wrote; a name of a model "
                        "hub is not looked up: download it first"});
  }
  if (exists(folder + "/modules.json")) {
    const Modules modules = read_modules(folder);
    out.transformer = modules.transformer;
    out.config = bert::Config::from_file(out.transformer + "/config.json");
    read_pooling(modules.pooling, out);
    out.normalise = modules.normalise;
    refuse_lowering(out);
  } else {
    out.transformer = folder;
    out.config = bert::Config::from_file(folder + "/config.json");
    out.poolings = {bert::Pooling::kMean};
  }
  out.max_seq_length = read_max_seq_length(out.transformer, out.config);
  read_prompts(folder, out);
  return out;
}

}  // namespace sbert
