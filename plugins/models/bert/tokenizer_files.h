// The files of a tokenizer, as HuggingFace writes and reads them.
//
// tokenizer.json: model WordPiece, normalizer BertNormalizer (or none), pre_tokenizer
// BertPreTokenizer, post_processor TemplateProcessing or BertProcessing of the form [CLS] A [SEP] B
// [SEP]. Its truncation and padding are not read: the caller's lengths hold.
// tokenizer_config.json: do_lower_case, strip_accents, tokenize_chinese_chars and the names of the
// special tokens; what it says overrules tokenizer.json, as it does in transformers.
// Anything else is refused. Threads and ranks: pure functions. Errors: trainhost::Error (kUser)
// with file, and line where there is one.
#pragma once

#include <string>
#include <utility>

#include "bert/tokenizer.h"

namespace bert {

/// What a tokenizer is made of.
using TokenizerParts = std::pair<Vocabulary, TokenizerSettings>;

/// From a tokenizer.json alone.
TokenizerParts read_tokenizer_json(const std::string& path);

/// Writes vocab.txt, tokenizer.json, tokenizer_config.json and special_tokens_map.json into a
/// folder that exists, for BertTokenizer, BertTokenizerFast and sentence-transformers.
void write_tokenizer(const Tokenizer& tokenizer, const std::string& folder,
                     std::int32_t max_length);

}  // namespace bert
