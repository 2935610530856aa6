#include "bert/config.h"

#include <catch2/catch.hpp>

#include "trainhost/error.h"

namespace {

using bert::Config;
using Catch::Contains;

Config parse(const std::string& more) {
  return Config::from_json(R"({"model_type": "bert")" + more + "}", "config.json");
}

}  // namespace

TEST_CASE("a configuration survives the way to JSON and back") {
  Config config;
  config.hidden = 384;
  config.layers = 6;
  config.layer_norm_epsilon = 1e-10;
  const Config back = Config::from_json(config.to_json(), "config.json");
  CHECK(back.hidden == 384);
  CHECK(back.layers == 6);
  CHECK(back.heads == config.heads);
  CHECK(back.layer_norm_epsilon == 1e-10);
}

TEST_CASE("keys that are missing or null are Hugging Face's defaults") {
  const Config config =
      parse(R"(, "hidden_size": 96, "num_attention_heads": 12, "position_embedding_type": null)");
  CHECK(config.hidden == 96);
  CHECK(config.layers == 12);
  CHECK(config.intermediate == 3072);
}

TEST_CASE("other architectures are refused by what is supported") {
  CHECK_THROWS_WITH(Config::from_json(R"({"model_type": "mpnet"})", "config.json"),
                    Contains("config.json") && Contains("mpnet") && Contains("a BERT encoder"));
  CHECK_THROWS_WITH(Config::from_json(R"({"vocab_size": 5})", "c"), Contains("no 'model_type'"));
  CHECK_THROWS_WITH(parse(R"(, "hidden_act": "gelu_new")"), Contains("gelu_new"));
  CHECK_THROWS_WITH(parse(R"(, "position_embedding_type": "relative_key")"),
                    Contains("relative_key"));
  CHECK_THROWS_WITH(parse(R"(, "is_decoder": true)"), Contains("is_decoder"));
}

TEST_CASE("a stranger's sizes are bounded") {
  CHECK_THROWS_WITH(parse(R"(, "vocab_size": 99999999999)"),
                    Contains("'vocab_size' is out of range"));
  CHECK_THROWS_WITH(parse(R"(, "vocab_size": 18446744073709551615)"), Contains("vocab_size"));
  CHECK_THROWS_WITH(parse(R"(, "num_hidden_layers": -1)"), Contains("num_hidden_layers"));
  CHECK_THROWS_WITH(parse(R"(, "num_attention_heads": 0)"), Contains("num_attention_heads"));
  CHECK_THROWS_WITH(parse(R"(, "num_attention_heads": 7)"), Contains("multiple"));
  CHECK_THROWS_WITH(parse(R"(, "hidden_dropout_prob": 1.0)"), Contains("hidden_dropout_prob"));
  CHECK_THROWS_WITH(parse(R"(, "layer_norm_eps": 0)"), Contains("layer_norm_eps"));
  CHECK_THROWS_WITH(parse(R"(, "hidden_size": "big")"), Contains("'hidden_size' is no size"));
  CHECK_THROWS_WITH(parse(R"(, "pad_token_id": 30522)"), Contains("pad_token_id"));
}

TEST_CASE("what is no JSON object is refused with its place") {
  CHECK_THROWS_WITH(Config::from_json("{", "a/config.json"), Contains("a/config.json"));
  CHECK_THROWS_WITH(Config::from_json("[1]", "c"), Contains("no object"));
  CHECK_THROWS_AS(Config::from_file("/nonexistent/config.json"), trainhost::Error);
}
