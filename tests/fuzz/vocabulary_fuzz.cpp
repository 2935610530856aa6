// vocab.txt and tokenizer.json (what begins with a brace): plugins/models/bert/tokenizer_files.h.
#include "bert/tokenizer_files.h"
#include "bert/utf8.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace fuzz = trainhost::fuzz;
  const fuzz::MemoryFile file(data, size);
  fuzz::accepts([&] {
    const bool json = size > 0 && data[0] == '{';
    bert::TokenizerParts parts =
        json ? bert::read_tokenizer_json(file.path())
             : bert::TokenizerParts(bert::Vocabulary::from_text_file(file.path()), {});
    for (std::int32_t id = 0; id < parts.first.size(); ++id) {
      const std::string_view token = parts.first.token(id);
      fuzz::promise(!token.empty() && bert::first_invalid_utf8(token) == std::string_view::npos,
                    "a token is a text");
      fuzz::promise(parts.first.id(token) == id, "a token is found under its id");
    }
  });
  return 0;
}
