// Config: the sizes and settings of a BERT encoder, as Hugging Face's config.json has them.
//
// Purpose: Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers" (NAACL 2019),
// with absolute positions, GELU (erf) and normalisation after each residual sum. Other
// architectures are refused. Threads and ranks: a value. Errors: Error (Failure::kUser) with file
// and key, what is supported, and what was found.
#pragma once

#include <cstdint>
#include <string>

namespace bert {

struct Config {
  std::int64_t vocabulary = 30522;   ///< vocab_size
  std::int64_t hidden = 768;         ///< hidden_size
  std::int64_t layers = 12;          ///< num_hidden_layers
  std::int64_t heads = 12;           ///< num_attention_heads
  std::int64_t intermediate = 3072;  ///< intermediate_size
  std::int64_t positions = 512;      ///< max_position_embeddings
  std::int64_t types = 2;            ///< type_vocab_size
  std::int64_t pad_id = 0;           ///< pad_token_id
  double layer_norm_epsilon = 1e-12;
  double initializer_range = 0.02;
  double hidden_dropout = 0.1;     ///< hidden_dropout_prob
  double attention_dropout = 0.1;  ///< attention_probs_dropout_prob

  /// Reads a config.json; keys that it does not have are Hugging Face's defaults, those above.
  static Config from_file(const std::string& path);
  /// The same from the text of one; `where` names it in errors.
  static Config from_json(const std::string& text, const std::string& where);
  /// A config.json that transformers reads as a BertModel's.
  std::string to_json() const;

  /// Throws where the sizes do not fit each other or are beyond every encoder's; `where` names what
  /// they came from.
  void check(const std::string& where) const;

  std::int64_t head_size() const { return hidden / heads; }
};

}  // namespace bert
