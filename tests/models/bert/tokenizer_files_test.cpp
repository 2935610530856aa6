// vocab.txt, tokenizer.json and tokenizer_config.json: what is read, what is refused, a round trip.
#include "bert/tokenizer_files.h"

#include "support.h"

namespace {

using namespace bert;
using namespace bert::testing;
using nlohmann::json;

std::string lines_of(const std::vector<std::string>& tokens) {
  std::string out;
  for (const std::string& token : tokens) out += token + "\n";
  return out;
}

json valid() {
  json vocab;
  for (std::size_t i = 0; i < small_vocabulary().size(); ++i) vocab[small_vocabulary()[i]] = i;
  json added = json::array();
  for (int id = 0; id < 5; ++id) {
    added.push_back({{"id", id},
                     {"content", small_vocabulary()[static_cast<std::size_t>(id)]},
                     {"single_word", false},
                     {"lstrip", id == 4},
                     {"normalized", false},
                     {"special", true}});
  }
  return {
      {"truncation", {{"max_length", 3}}},
      {"padding", {{"strategy", {{"Fixed", 3}}}}},
      {"added_tokens", added},
      {"normalizer", {{"type", "BertNormalizer"}, {"lowercase", true}, {"strip_accents", nullptr}}},
      {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
      {"post_processor",
       {{"type", "BertProcessing"}, {"cls", {"[CLS]", 2}}, {"sep", {"[SEP]", 3}}}},
      {"model",
       {{"type", "WordPiece"},
        {"unk_token", "[UNK]"},
        {"continuing_subword_prefix", "##"},
        {"max_input_chars_per_word", 100},
        {"vocab", vocab}}}};
}

std::string complaint(const std::string& name, const std::string& content,
                      const std::string& config = "") {
  const WrittenFolder folder;
  folder.write(name, content);
  if (!config.empty()) folder.write("tokenizer_config.json", config);
  return error_of([&] { Tokenizer::from_directory(folder.path()); });
}

std::string complaint(const json& file) { return complaint("tokenizer.json", file.dump()); }

TEST_CASE("vocab.txt is read in any form that means one token a line") {
  const std::string lines = lines_of(small_vocabulary());
  std::string crlf = lines;
  for (std::size_t at = 0; (at = crlf.find('\n', at)) != std::string::npos; at += 2) {
    crlf.insert(at, "\r");
  }
  for (const std::string& content :
       {lines, crlf, "\xEF\xBB\xBF" + lines, lines + "\n\n", lines.substr(0, lines.size() - 1)}) {
    const WrittenFolder folder;
    folder.write("vocab.txt", content);
    const Tokenizer read = Tokenizer::from_directory(folder.path());
    CHECK(read.fingerprint() == small_tokenizer().fingerprint());
  }
}

TEST_CASE("a vocab.txt that is none names file and line") {
  CHECK(has(complaint("vocab.txt", ""), "vocab.txt: the vocabulary is empty"));
  CHECK(has(complaint("vocab.txt", "[PAD]\n\nx\n"), "vocab.txt:2: token 1 is empty"));
  CHECK(has(complaint("vocab.txt", "[PAD]\nx\ny\nx\n"), "vocab.txt:4: the token 'x' occurs twice"));
  CHECK(has(complaint("vocab.txt", "[PAD]\nx\ny\nx\n"), "vocab.txt:2, id 1"));
  CHECK(has(complaint("vocab.txt", "[PAD]\n\xFFz\n"), "vocab.txt:2: token 1 is no UTF-8"));
  CHECK(has(complaint("vocab.txt", "the\ncat\n"), "'[PAD]' is missing"));
  const WrittenFolder folder;
  CHECK(has(error_of([&] { Tokenizer::from_directory(folder.path()); }), "no vocabulary"));
  CHECK(has(error_of([] { Vocabulary::from_text_file("/nowhere/vocab.txt"); }), "cannot read"));
  CHECK(has(error_of([] { Vocabulary::from_text_file("/"); }), "cannot read"));
}

TEST_CASE("tokenizer.json gives the same tokenizer, and goes before vocab.txt") {
  const WrittenFolder folder;
  folder.write("tokenizer.json", valid().dump());
  folder.write("vocab.txt", "[PAD]\n");
  const Tokenizer read = Tokenizer::from_directory(folder.path());
  CHECK(ids_of(read, "The cats, UNAFFABLE") == ids_of(small_tokenizer(), "The cats, UNAFFABLE"));
  CHECK(ids_of(read, "the cat sits the cat").size() == 7);  // truncation there is not ours
}

TEST_CASE("a template in place of BertProcessing") {
  const auto special = [](const char* id, int type) {
    return json{{"SpecialToken", {{"id", id}, {"type_id", type}}}};
  };
  const auto text = [](const char* id, int type) {
    return json{{"Sequence", {{"id", id}, {"type_id", type}}}};
  };
  json file = valid();
  file["post_processor"] = {{"type", "TemplateProcessing"},
                            {"single", {special("[CLS]", 0), text("A", 0), special("[SEP]", 0)}},
                            {"pair",
                             {special("[CLS]", 0), text("A", 0), special("[SEP]", 0), text("B", 1),
                              special("[SEP]", 1)}}};
  CHECK(complaint(file) == "no error");
  json wrong = file;
  wrong["post_processor"]["single"].push_back(special("[SEP]", 0));
  CHECK(has(complaint(wrong), "post_processor: this form is not supported"));
  wrong = file;
  wrong["post_processor"]["pair"][3] = text("B", 0);
  CHECK(has(complaint(wrong), "form of pairs is not supported"));
  wrong = file;
  wrong["post_processor"]["single"] = {1, 2, 3};
  CHECK(has(complaint(wrong), "this is no table"));
}

TEST_CASE("tokenizers of another kind are refused by a message that names what is supported") {
  json file = valid();
  file["model"]["type"] = "BPE";
  CHECK(has(complaint(file), "tokenizer.json, model: a 'BPE' is not supported"));
  CHECK(has(complaint(file), "a WordPiece tokenizer of BERT"));
  for (const char* part : {"normalizer", "pre_tokenizer", "post_processor"}) {
    file = valid();
    file[part] = {{"type", "Sequence"}};
    CHECK(has(complaint(file), std::string(part) + ": a 'Sequence' is not supported"));
  }
  for (const char* part : {"pre_tokenizer", "post_processor"}) {
    file = valid();
    file.erase(part);
    CHECK(has(complaint(file), std::string(part) + ": a '' is not supported"));
  }
  file = valid();
  file["added_tokens"][0]["single_word"] = true;
  CHECK(has(complaint(file), "the added token '[PAD]' is not supported"));
  CHECK(has(complaint("vocab.txt", lines_of(small_vocabulary()),
                      R"({"tokenizer_class": "MPNetTokenizer"})"),
            "a MPNetTokenizer is not supported"));
}

TEST_CASE("damaged values of tokenizer.json name what is wrong") {
  json file = valid();
  file["model"]["vocab"]["cat"] = 5;
  CHECK(has(complaint(file), "two tokens have the id 5"));
  file["model"]["vocab"]["cat"] = 20;
  CHECK(has(complaint(file), "is empty"));
  file["model"]["vocab"]["cat"] = -1;
  CHECK(has(complaint(file), "the id of 'cat' is out of range"));
  file["model"]["vocab"]["cat"] = 1LL << 40;
  CHECK(has(complaint(file), "out of range"));
  file["model"]["vocab"]["cat"] = "x";
  CHECK(has(complaint(file), "is no integer"));
  file = valid();
  file["model"]["vocab"] = json::object();
  file["added_tokens"] = json::array();
  CHECK(has(complaint(file), "the vocabulary is empty"));
  file = valid();
  file["normalizer"]["lowercase"] = "yes";
  CHECK(has(complaint(file), "'lowercase' has another type"));
  file = valid();
  file["model"]["max_input_chars_per_word"] = 1LL << 40;
  CHECK(has(complaint(file), "max_input_chars_per_word"));
  CHECK(has(complaint("tokenizer.json", "{\n\n\"model\": ]"), "tokenizer.json:3: this is no JSON"));
  CHECK(has(complaint("tokenizer.json", "[1]"), "this is no table"));
  CHECK(has(complaint("tokenizer.json", valid().dump().substr(0, 300)), "this is no JSON"));
}

TEST_CASE("added tokens extend the vocabulary") {
  json file = valid();
  file["added_tokens"].push_back({{"id", 16}, {"content", "<topic>"}, {"normalized", false}});
  const WrittenFolder folder;
  folder.write("tokenizer.json", file.dump());
  const Tokenizer read = Tokenizer::from_directory(folder.path());
  CHECK(read.size() == 17);
  CHECK(ids_of(read, "the<topic>cat") == Ids{2, 5, 16, 6, 3});
}

TEST_CASE("tokenizer_config.json settles case, accents and names") {
  const auto settings_of = [](const char* config) {
    const WrittenFolder folder;
    folder.write("vocab.txt", lines_of(small_vocabulary()));
    folder.write("tokenizer_config.json", config);
    return Tokenizer::from_directory(folder.path()).settings();
  };
  CHECK(settings_of("{}").normalisation.lowercase);
  const Normalisation cased = settings_of(R"({"do_lower_case": false})").normalisation;
  CHECK_FALSE(cased.lowercase);
  CHECK_FALSE(cased.strip_accents);
  const Normalisation mixed =
      settings_of(R"({"do_lower_case": false, "strip_accents": true})").normalisation;
  CHECK_FALSE(mixed.lowercase);
  CHECK(mixed.strip_accents);
  CHECK_FALSE(
      settings_of(R"({"tokenize_chinese_chars": false})").normalisation.handle_chinese_chars);
  CHECK(settings_of(R"({"strip_accents": null})").normalisation.strip_accents);
  CHECK(settings_of(R"({"sep_token": {"content": "the"}})").sep == "the");
  const std::string vocab = lines_of(small_vocabulary());
  CHECK(has(complaint("vocab.txt", vocab, R"({"sep_token": 3})"), "'sep_token' names no token"));
  CHECK(has(complaint("vocab.txt", vocab, R"({"sep_token": "<s>"})"), "'<s>' is missing"));
  CHECK(has(complaint("vocab.txt", vocab, R"({"do_lower_case": 1})"), "another type"));
}

TEST_CASE("what is written is read back as the same tokenizer") {
  TokenizerSettings settings;
  settings.normalisation.lowercase = false;
  settings.normalisation.strip_accents = false;
  settings.added = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
  const Tokenizer tokenizer = small_tokenizer(settings);
  const WrittenFolder folder;
  write_tokenizer(tokenizer, folder.path(), 128);
  CHECK(Tokenizer::from_directory(folder.path()).fingerprint() == tokenizer.fingerprint());
  std::filesystem::remove(folder.path() + "/tokenizer.json");
  const Tokenizer again = Tokenizer::from_directory(folder.path());
  for (const char* text : {"The cat sits", "a [MASK]", "Ünaffable"}) {
    CHECK(ids_of(again, text) == ids_of(tokenizer, text));
  }
}

}  // namespace
