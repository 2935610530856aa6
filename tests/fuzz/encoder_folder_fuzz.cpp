// The JSON files of a folder of sentence-transformers: plugins/models/sbert/directory.h and
// bert/config.h. The first byte says which of them the rest is; the others are right.
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "fuzz.h"
#include "sbert/directory.h"

namespace {

namespace fs = std::filesystem;
using trainhost::fuzz::promise;

struct File {
  const char* name;
  const char* text;
};
constexpr File kFiles[] = {
    {"modules.json",
     R"([{"type": "sentence_transformers.models.Transformer", "path": ""},
         {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"}])"},
    {"1_Pooling/config.json",
     R"({"word_embedding_dimension": 4, "pooling_mode_mean_tokens": true})"},
    {"config.json",
     R"({"model_type": "bert", "hidden_size": 4, "num_attention_heads": 2, "vocab_size": 9})"},
    {"sentence_bert_config.json", R"({"max_seq_length": 12})"},
    {"config_sentence_transformers.json", R"({"prompts": {"query": "q: "}})"},
    {"tokenizer_config.json", R"({"model_max_length": 16})"},
};

/// A right folder, removed at the end.
class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "fuzz-folder-XXXXXX").string();
    promise(::mkdtemp(name.data()) != nullptr, "a folder can be made");
    path_ = name;
    fs::create_directory(path_ / "1_Pooling");
    for (const File& file : kFiles) write(file.name, file.text);
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  void write(const char* name, std::string_view text) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
  }
  std::string path() const { return path_.string(); }

 private:
  fs::path path_;
};

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  static const Folder folder;
  const File& file = kFiles[data[0] % std::size(kFiles)];
  folder.write(file.name, trainhost::fuzz::text_of(data + 1, size - 1));
  trainhost::fuzz::accepts([] {
    const sbert::Directory directory = sbert::read_directory(folder.path());
    promise(!directory.poolings.empty(), "there is a pooling");
    promise(directory.max_seq_length > 0 && directory.max_seq_length <= directory.config.positions,
            "there are positions for the longest text");
    promise(directory.config.hidden % directory.config.heads == 0, "heads share the columns");
  });
  folder.write(file.name, file.text);
  return 0;
}
