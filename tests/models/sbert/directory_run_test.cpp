// Folders of sentence-transformers through the real programs: those that the package wrote
// (golden/make_directories.py), and those that are written here.
#include <filesystem>

#include "run_support.h"

namespace {

using namespace sbert::testing;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

/// A copy of a golden folder, to be damaged.
std::string copy_of(const Bench& bench, const std::string& style) {
  const std::string to = bench.folder / style;
  fs::copy(golden_folder(style), to, fs::copy_options::recursive);
  return to;
}

void write_sentences(const Bench& bench) {
  std::string lines;
  const Json all = golden();
  for (const Json& sentence : all["sentences"]) lines += sentence.get<std::string>() + "\n";
  write(bench.folder / "sentences.txt", lines);
}

void check_embeddings(const std::vector<std::vector<float>>& got, const Json& expected) {
  REQUIRE(got.size() == expected.size());
  for (std::size_t row = 0; row < got.size(); ++row) {
    REQUIRE(got[row].size() == expected[row].size());
    for (std::size_t column = 0; column < got[row].size(); ++column) {
      INFO("sentence " << row << ", column " << column);
      CHECK(got[row][column] == Approx(expected[row][column].get<double>()).margin(1e-5));
    }
  }
}

std::string predicted(const Bench& bench, const std::string& folder, const Arguments& more) {
  const std::string file = bench.folder / "out";
  bench.done(bench.trainhost(Arguments{"predict", folder, "--output", file} + more));
  return file;
}

std::string refused(const Bench& bench, const std::string& folder) {
  const Ended ended = bench.trainhost(
      {"predict", folder, "--input", "sentences.txt", "--output", bench.folder / "none.npy"});
  CHECK(ended.code == 2);
  CHECK_FALSE(fs::exists(bench.folder / "none.npy"));
  return ended.output;
}

}  // namespace

TEST_CASE("embeddings of folders that the package wrote are the package's") {
  const Bench bench;
  write_sentences(bench);
  const std::string style = GENERATE("new", "old");
  INFO(style);
  const Arguments input{"--input", "sentences.txt"};
  check_embeddings(array(predicted(bench, golden_folder(style), input)),
                   golden()[style]["embeddings"]);
  check_embeddings(array(predicted(bench, golden_folder(style), input + Arguments{ranks(2)})),
                   golden()[style]["embeddings"]);
  std::string ids;
  const Json all = golden();
  for (const Json& line : all[style]["ids"]) {
    for (std::size_t i = 0; i < line.size(); ++i) {
      ids += (i == 0 ? "[" : ", ") + std::to_string(line[i].get<int>());
    }
    ids += "]\n";
  }
  CHECK(read(predicted(bench, golden_folder(style), input + Arguments{"--token-ids"})) == ids);
}

TEST_CASE("prompts go before the texts, and a folder's similarity is its own") {
  const Bench bench;
  write_sentences(bench);
  check_embeddings(
      array(predicted(bench, golden_folder("new"), {"--input", "sentences.txt", "prompt=query"})),
      golden()["new query"]["embeddings"]);
  const Json sentences = golden()["sentences"], expected = golden()["new"]["similarity"];
  std::string pairs;
  for (std::size_t i = 0; i + 1 < sentences.size(); ++i) {
    pairs += sentences[i].get<std::string>() + "\t" + sentences[i + 1].get<std::string>() + "\n";
  }
  write(bench.folder / "pairs.tsv", pairs);
  std::ifstream scores(predicted(bench, golden_folder("new"), {"--similarity", "pairs.tsv"}));
  for (const Json& score : expected) {
    double got = NAN;
    REQUIRE(scores >> got);
    CHECK(got == Approx(score.get<double>()).margin(1e-5));
  }
  const Ended unknown = bench.trainhost({"predict", golden_folder("new"), "--input",
                                         "sentences.txt", "prompt=qurey", "--output", "x"});
  CHECK(unknown.code == 2);
  CHECK_THAT(unknown.output, Contains("no prompt of that name") && Contains("document, query"));
}

TEST_CASE("a folder that is trained, exported and opened again is the same model") {
  const Bench bench;
  write_sentences(bench);
  const std::string style = GENERATE("new", "old");
  INFO(style);
  const std::string dir = "model.dir=" + golden_folder(style);
  write(bench.folder / "pairs.tsv",
        "1\tthe river goes\tthe water goes\n0.2\ta tall mill\ta boat sings\n0.6\tgreen\tcold\n");
  bench.done(bench.run(
      "run", {dir, "data.train={{file=\"pairs.tsv\",label=\"1\",texts={\"2\",\"3\"}}}", ranks(2)}));
  bench.done(bench.trainhost({"export", bench.folder / "run", "--to", bench.folder / "exported"}));
  const Arguments input{"--input", "sentences.txt"};
  const auto of_run = array(predicted(bench, bench.folder / "run", input));
  const auto of_export = array(predicted(bench, bench.folder / "exported", input));
  CHECK(of_run == of_export);
  // Training has moved it.
  const auto before = array(predicted(bench, golden_folder(style), input));
  CHECK(of_export != before);
  // What every version of the package reads.
  for (const char* file :
       {"modules.json", "config_sentence_transformers.json", "sentence_bert_config.json",
        "1_Pooling/config.json", "config.json", "tokenizer.json", "tokenizer_config.json",
        "special_tokens_map.json", "vocab.txt", "model.safetensors"}) {
    CHECK(fs::exists(bench.folder / ("exported/" + std::string(file))));
  }
  const Json modules = Json::parse(read(bench.folder / "exported/modules.json"));
  REQUIRE(modules.size() == (style == "new" ? 3 : 2));
  CHECK(modules[0]["type"] == "sentence_transformers.models.Transformer");
  CHECK(modules[1] == Json{{"idx", 1},
                           {"name", "1"},
                           {"path", "1_Pooling"},
                           {"type", "sentence_transformers.models.Pooling"}});
  const Json pooling = Json::parse(read(bench.folder / "exported/1_Pooling/config.json"));
  CHECK(pooling["word_embedding_dimension"] == 16);
  CHECK(pooling["pooling_mode_mean_tokens"] == (style == "new"));
  CHECK(pooling["pooling_mode_cls_token"] == (style == "old"));
  const Json lengths = Json::parse(read(bench.folder / "exported/sentence_bert_config.json"));
  CHECK(lengths["max_seq_length"] == (style == "new" ? 24 : 12));
}

TEST_CASE("a folder of transformers is opened with mean pooling") {
  const Bench bench;
  write_sentences(bench);
  const std::string folder = copy_of(bench, "new");
  for (const char* module : {"modules.json", "1_Pooling", "2_Normalize"}) {
    fs::remove_all(fs::path(folder) / module);
  }
  check_embeddings(
      array(predicted(bench, folder, {"--input", "sentences.txt", "model.normalise=true"})),
      golden()["new"]["embeddings"]);
}

TEST_CASE("folders that cannot be opened say why") {
  const Bench bench;
  write_sentences(bench);
  CHECK_THAT(refused(bench, "nowhere"), Contains("nowhere: there is no such run directory"));
  fs::create_directory(bench.folder / "empty");
  CHECK_THAT(refused(bench, "empty"), Contains("neither a run nor a model") &&
                                          Contains("plan.json") &&
                                          Contains("modules.json (sbert)"));
  const std::string folder = copy_of(bench, "new");

  const std::string weights = read(folder + "/model.safetensors");
  write(folder + "/model.safetensors", weights.substr(0, weights.size() / 2));
  CHECK_THAT(refused(bench, folder), Contains("model.safetensors") && Contains("lies outside"));
  write(folder + "/model.safetensors", weights);

  const std::string config = read(folder + "/config.json");
  write(folder + "/config.json",
        std::string(config).replace(config.find("\"bert\""), 6, "\"mpnet\""));
  CHECK_THAT(refused(bench, folder), Contains("mpnet") && Contains("bert"));
  Json larger = Json::parse(config);
  larger["hidden_size"] = 32;
  write(folder + "/config.json", larger.dump());
  CHECK_THAT(refused(bench, folder), Contains("embedding") || Contains("dimension"));
  Json fewer = Json::parse(config);
  fewer["vocab_size"] = 20;
  write(folder + "/config.json", fewer.dump());
  CHECK_THAT(refused(bench, folder), Contains("vocabulary"));
  write(folder + "/config.json", config);

  const std::string modules = read(folder + "/modules.json");
  Json dense = Json::parse(modules);
  dense.push_back({{"idx", 3},
                   {"name", "3"},
                   {"path", "3_Dense"},
                   {"type", "sentence_transformers.models.Dense"}});
  write(folder + "/modules.json", dense.dump());
  CHECK_THAT(refused(bench, folder), Contains("module 3") && Contains("Dense"));
  Json outside = Json::parse(modules);
  outside[1]["path"] = "../elsewhere";
  write(folder + "/modules.json", outside.dump());
  CHECK_THAT(refused(bench, folder), Contains("outside the folder"));
  write(folder + "/modules.json", "[");
  CHECK_THAT(refused(bench, folder), Contains("no JSON"));
  write(folder + "/modules.json", modules);
  check_embeddings(array(predicted(bench, folder, {"--input", "sentences.txt"})),
                   golden()["new"]["embeddings"]);
}
