#include "bert/config.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "trainhost/error.h"
#include "trainhost/files.h"

namespace bert {
namespace {

using nlohmann::json;
using trainhost::Error;
using trainhost::Failure;

constexpr std::int64_t kLargestFile = std::int64_t{4} << 20;
constexpr const char* kSupported =
    "a BERT encoder: model_type 'bert', position_embedding_type 'absolute', hidden_act 'gelu'";

[[noreturn]] void refuse(const std::string& where, const std::string& what,
                         const std::string& expected, const std::string& got) {
  throw Error(Failure::kUser,
              {.where = where, .what = what, .expected = expected, .got = got, .fix = {}});
}

/// The value of a key in few words.
std::string shown(const json& value) {
  constexpr std::size_t kLongest = 60;
  std::string text = value.dump(-1, ' ', true, json::error_handler_t::replace);
  if (text.size() > kLongest) text = text.substr(0, kLongest) + "…";
  return text;
}

class Keys {
 public:
  Keys(const json& object, std::string where) : object_(object), where_(std::move(where)) {}

  void integer(const char* key, std::int64_t& out) const {
    const json* value = find(key);
    if (value == nullptr) return;
    if (!value->is_number_integer() ||
        (value->is_number_unsigned() && value->get<std::uint64_t>() > kLargest)) {
      refuse(where_, name(key) + " is no size", "a whole number", shown(*value));
    }
    out = value->get<std::int64_t>();
  }
  void real(const char* key, double& out) const {
    const json* value = find(key);
    if (value == nullptr) return;
    if (!value->is_number()) {
      refuse(where_, name(key) + " is no number", "a number", shown(*value));
    }
    out = value->get<double>();
  }
  /// What a key must say where it is there.
  void only(const char* key, const json& supported) const {
    const json* value = find(key);
    if (value == nullptr || *value == supported) return;
    refuse(where_, name(key) + " is not supported", kSupported,
           std::string(key) + " " + shown(*value));
  }

 private:
  static constexpr std::uint64_t kLargest = std::uint64_t{1} << 62;

  static std::string name(const char* key) { return std::string("'") + key + "'"; }
  const json* find(const char* key) const {
    const auto found = object_.find(key);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }

  const json& object_;
  const std::string where_;
};

void between(const std::string& where, const char* key, std::int64_t value, std::int64_t least,
             std::int64_t most) {
  if (value >= least && value <= most) return;
  refuse(where, std::string("'") + key + "' is out of range",
         std::to_string(least) + " to " + std::to_string(most), std::to_string(value));
}

void share(const std::string& where, const char* key, double value) {
  if (value >= 0 && value < 1) return;
  refuse(where, std::string("'") + key + "' is out of range", "0 or more, and below 1",
         std::to_string(value));
}

void positive(const std::string& where, const char* key, double value) {
  if (value > 0 && value <= 1) return;
  refuse(where, std::string("'") + key + "' is out of range", "above 0, at most 1",
         std::to_string(value));
}

}  // namespace

Config Config::from_file(const std::string& path) {
  return from_json(trainhost::read_text_file(path, kLargestFile), path);
}

Config Config::from_json(const std::string& text, const std::string& where) {
  json object;
  try {
    object = json::parse(text);
  } catch (const json::exception& error) {
    refuse(where, "this is not JSON", "a JSON object", error.what());
  }
  if (!object.is_object()) refuse(where, "this is no object", "a JSON object", shown(object));
  if (!object.contains("model_type")) {
    refuse(where, "no 'model_type': another kind of model, or not its configuration", kSupported,
           "no such key");
  }
  const Keys keys(object, where);
  keys.only("model_type", "bert");
  keys.only("position_embedding_type", "absolute");
  keys.only("hidden_act", "gelu");
  keys.only("is_decoder", false);
  keys.only("add_cross_attention", false);
  Config out;
  keys.integer("vocab_size", out.vocabulary);
  keys.integer("hidden_size", out.hidden);
  keys.integer("num_hidden_layers", out.layers);
  keys.integer("num_attention_heads", out.heads);
  keys.integer("intermediate_size", out.intermediate);
  keys.integer("max_position_embeddings", out.positions);
  keys.integer("type_vocab_size", out.types);
  keys.integer("pad_token_id", out.pad_id);
  keys.real("layer_norm_eps", out.layer_norm_epsilon);
  keys.real("initializer_range", out.initializer_range);
  keys.real("hidden_dropout_prob", out.hidden_dropout);
  keys.real("attention_probs_dropout_prob", out.attention_dropout);
  out.check(where);
  return out;
}

std::string Config::to_json() const {
  const json object = {{"architectures", {"BertModel"}},
                       {"attention_probs_dropout_prob", attention_dropout},
                       {"hidden_act", "gelu"},
                       {"hidden_dropout_prob", hidden_dropout},
                       {"hidden_size", hidden},
                       {"initializer_range", initializer_range},
                       {"intermediate_size", intermediate},
                       {"layer_norm_eps", layer_norm_epsilon},
                       {"max_position_embeddings", positions},
                       {"model_type", "bert"},
                       {"num_attention_heads", heads},
                       {"num_hidden_layers", layers},
                       {"pad_token_id", pad_id},
                       {"position_embedding_type", "absolute"},
                       {"torch_dtype", "float32"},
                       {"type_vocab_size", types},
                       {"use_cache", true},
                       {"vocab_size", vocabulary}};
  return object.dump(2) + "\n";
}

void Config::check(const std::string& where) const {
  between(where, "vocab_size", vocabulary, 1, std::int64_t{1} << 24);
  between(where, "hidden_size", hidden, 1, 16384);
  between(where, "num_hidden_layers", layers, 1, 1024);
  between(where, "num_attention_heads", heads, 1, hidden);
  between(where, "intermediate_size", intermediate, 1, 65536);
  between(where, "max_position_embeddings", positions, 2, 4096);
  between(where, "type_vocab_size", types, 1, 1024);
  between(where, "pad_token_id", pad_id, 0, vocabulary - 1);
  share(where, "hidden_dropout_prob", hidden_dropout);
  share(where, "attention_probs_dropout_prob", attention_dropout);
  positive(where, "layer_norm_eps", layer_norm_epsilon);
  positive(where, "initializer_range", initializer_range);
  if (hidden % heads != 0) {
    refuse(where, "the heads do not share the hidden size",
           "a hidden_size that is a multiple of num_attention_heads",
           std::to_string(hidden) + " and " + std::to_string(heads));
  }
}

}  // namespace bert
