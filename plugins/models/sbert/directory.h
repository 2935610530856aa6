// Directory: a model as sentence-transformers keeps it in a folder.
//
// Purpose: reads modules.json and what it names (the transformer, its pooling, maybe a
// normalisation), in the old and the new style of that package, and writes a folder that every
// version of it loads. A folder of transformers alone (config.json, no modules.json) is read too,
// as that package does: with mean pooling. Threads and ranks: values and pure functions.
// Errors: Error (Failure::kUser) with file, what is supported, and what was found.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "bert/config.h"
#include "bert/pooling.h"
#include "bert/tokenizer.h"
#include "trainhost/exporter.h"

namespace sbert {

/// What a folder says besides weights and vocabulary.
struct Directory {
  std::string transformer{};  ///< the folder of config.json, model.safetensors and the tokenizer
  bert::Config config{};
  std::int64_t max_seq_length = 0;        ///< ids of a text, the special ones included
  std::vector<bert::Pooling> poolings{};  ///< one after the other in an embedding
  bool include_prompt = true;             ///< whether a prompt's tokens are pooled
  bool normalise = false;                 ///< embeddings of length 1
  std::string similarity = "cosine";      ///< cosine, dot, euclidean or manhattan
  std::vector<std::pair<std::string, std::string>> prompts{};  ///< by name
  std::string default_prompt{};                                ///< a name, or ""

  std::int64_t dimension() const {
    return config.hidden * static_cast<std::int64_t>(poolings.size());
  }
  /// The text of a prompt by name; "" is the default one, or none. Throws for an unknown name.
  const std::string& prompt(const std::string& name) const;
};

Directory read_directory(const std::string& folder);

/// Writes the whole folder, weights included, in the style that every version reads. `tensors`
/// visits the model's parameters, of which the encoder's units come first. `with_pooler`: the
/// folder that the model came from had one, so readers will expect it.
void write_directory(const std::string& folder, const Directory& directory,
                     const bert::Tokenizer& tokenizer, bool with_pooler,
                     const trainhost::Exporter::Visitor& tensors);

}  // namespace sbert
