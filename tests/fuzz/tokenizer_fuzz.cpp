// Any bytes as text: plugins/models/bert/tokenizer.h. The first byte chooses settings and a length,
// the rest is one text, or two with a zero byte between.
#include <algorithm>

#include "bert/tokenizer.h"
#include "fuzz.h"

namespace {

bert::Tokenizer tokenizer_of(std::uint8_t bits) {
  std::vector<std::string> tokens = {"[PAD]",      "[UNK]",        "[CLS]", "[SEP]",
                                     "[MASK]",     "the",          "##ing", "\xE6\x97\xA5",
                                     "##\xCC\x81", "\xEF\xBF\xBD", "aa"};
  for (char letter = '!'; letter < '['; ++letter) {
    tokens.push_back(std::string(1, letter));
    tokens.push_back("##" + std::string(1, letter));
  }
  for (char letter = 'a'; letter <= 'z'; ++letter) tokens.push_back(std::string(1, letter));
  bert::TokenizerSettings settings;
  settings.normalisation = {(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0};
  settings.max_input_chars_per_word = (bits & 16) != 0 ? 100 : 5;
  settings.added = {"the", "aa"};
  return bert::Tokenizer(bert::Vocabulary(tokens, "fuzz"), settings);
}

void one(const bert::Tokenizer& tokenizer, std::string_view text) {
  namespace fuzz = trainhost::fuzz;
  std::vector<std::int32_t> all, cut;
  tokenizer.append(text, 0, all);
  fuzz::promise(
      all.size() >= 2 && all.front() == tokenizer.cls_id() && all.back() == tokenizer.sep_id(),
      "a text stands between [CLS] and [SEP]");
  fuzz::promise(all.size() <= 4 * text.size() + 2, "a byte makes at most four pieces");
  for (const std::int32_t id : all) {
    fuzz::promise(id >= 0 && id < tokenizer.size(), "ids lie in the vocabulary");
  }
  for (const std::int32_t length : {2, 3, 9}) {
    cut.clear();
    tokenizer.append(text, length, cut);
    const std::size_t expected =
        std::min<std::size_t>(all.size(), static_cast<std::size_t>(length));
    fuzz::promise(cut.size() == expected && std::equal(cut.begin(), cut.end() - 1, all.begin()),
                  "a shorter length cuts the end");
  }
}

void two(const bert::Tokenizer& tokenizer, std::string_view a, std::string_view b) {
  namespace fuzz = trainhost::fuzz;
  for (const std::int32_t length : {0, 3, 10}) {
    std::vector<std::int32_t> ids;
    std::vector<std::uint8_t> types;
    tokenizer.append_pair(a, b, length, ids, types);
    fuzz::promise(ids.size() == types.size() && std::is_sorted(types.begin(), types.end()),
                  "a type for each id");
    fuzz::promise(length == 0 || ids.size() <= static_cast<std::size_t>(length),
                  "a pair is no longer than it may be");
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  static const std::vector<bert::Tokenizer> kTokenizers = [] {
    std::vector<bert::Tokenizer> out;
    for (std::uint8_t bits = 0; bits < 32; ++bits) out.push_back(tokenizer_of(bits));
    return out;
  }();
  const bert::Tokenizer& tokenizer = kTokenizers[data[0] % kTokenizers.size()];
  const std::string_view text = trainhost::fuzz::text_of(data + 1, size - 1);
  one(tokenizer, text);
  const std::size_t middle = std::min(text.find('\0'), text.size());
  two(tokenizer, text.substr(0, middle), text.substr(middle));
  return 0;
}
