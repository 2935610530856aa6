// SbertPredictor: embeddings as a NumPy array, similarities of pairs, token ids.
#include <algorithm>
#include <bit>
#include <charconv>
#include <chrono>
#include <cstdio>

#include "sbert/line_reader.h"
#include "sbert/model.h"
#include "sbert/npy.h"
#include "sbert/rank.h"
#include "sbert/similarity.h"
#include "trainhost/error.h"

namespace sbert {
namespace {

using trainhost::Error;
using trainhost::Execution;
using trainhost::Failure;
using trainhost::Host;
using trainhost::ModelRank;
using trainhost::Options;
using trainhost::PredictionOutput;

static_assert(std::endian::native == std::endian::little,
              "arrays are written as they lie in memory");

/// Lines that are worked on at a time: enough to sort by length, some tens of megabytes.
constexpr std::size_t kLinesAtOnce = 32768;

/// What is asked, and by whom.
struct Question {
  std::string input{}, similarity{};
  std::string prompt{};  ///< its text
  bool token_ids = false;
};

/// A file's name as the command line has it, "@/path".
std::string file_of(const Options& options, const char* key) {
  if (!options.has(key)) return "";
  const std::string& text = options.text(key);
  return text.starts_with('@') ? text.substr(1) : text;
}

void append_number(std::string& out, float number) {
  char text[32];
  out.append(text, std::to_chars(text, text + sizeof(text), number).ptr);
}

std::string one_digit(double number) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", number);
  return text;
}

/// The lines of a file, some thousand at a time.
class Lines {
 public:
  explicit Lines(const std::string& path) : reader_(path) {}

  /// False at the end of the file.
  bool next() {
    lines.clear();
    first = reader_.number() + 1;
    std::string line;
    while (lines.size() < kLinesAtOnce && reader_.append_line(line)) {
      if (line.ends_with('\r')) line.pop_back();
      lines.push_back(std::move(line));
      line.clear();
    }
    return !lines.empty();
  }

  const std::string& path() const { return reader_.path(); }
  std::int64_t offset() const { return reader_.offset(); }
  std::int64_t bytes() const { return reader_.bytes(); }

  std::vector<std::string> lines;
  std::int64_t first = 1;  ///< number of the first of them

 private:
  LineReader reader_;
};

std::int64_t count_lines(const std::string& path) {
  LineReader reader(path);
  std::string line;
  while (reader.append_line(line)) line.clear();
  return reader.number();
}

class SbertPredictor : public trainhost::Predictor {
 public:
  explicit SbertPredictor(std::shared_ptr<const Shared> shared) : shared_(std::move(shared)) {}

  const char* options() const override {
    return R"json([
      {"name": "input", "type": "string", "optional": true, "help": "file of texts, one a line"},
      {"name": "similarity", "type": "string", "optional": true,
       "help": "file of pairs of texts, a tab between"},
      {"name": "token_ids", "type": "bool", "default": false,
       "help": "the ids of each line of input instead of its embedding"},
      {"name": "prompt", "type": "string", "default": "",
       "help": "name of one of the model's prompts, which goes before each text"}])json";
  }

  void predict(ModelRank& rank, Execution& execution, const Options& options, Host& host,
               PredictionOutput& output) override;

 private:
  Question question_of(const Options& options) const;
  void write_ids(const Question& question, Host& host, PredictionOutput& output) const;
  void write_embeddings(const Question& question, const Embedder& embedder, Execution& execution,
                        Host& host, PredictionOutput& output) const;
  void write_similarities(const Question& question, const Embedder& embedder, Execution& execution,
                          Host& host, PredictionOutput& output) const;
  bert::Tokens tokens_of(const std::vector<std::string_view>& texts, const std::string& prompt,
                         Host& host) const;

  const std::shared_ptr<const Shared> shared_;
};

Question SbertPredictor::question_of(const Options& options) const {
  Question out{
      file_of(options, "input"), file_of(options, "similarity"), {}, options.boolean("token_ids")};
  if (out.input.empty() == out.similarity.empty()) {
    throw Error(Failure::kUser,
                {.where = "predict",
                 .what = out.input.empty() ? "nothing is asked" : "two things are asked at once",
                 .expected = "either --input FILE or --similarity FILE"});
  }
  if (out.token_ids && out.input.empty()) {
    throw Error(Failure::kUser,
                {.where = "predict", .what = "--token-ids is for the lines of --input"});
  }
  out.prompt = shared_->directory.prompt(options.text("prompt"));
  if (!out.prompt.empty() && !shared_->directory.include_prompt) {
    throw Error(Failure::kUser,
                {.where = "1_Pooling/config.json",
                 .what = "leaving a prompt's tokens out of pooling (include_prompt = false) is not "
                         "supported"});
  }
  return out;
}

bert::Tokens SbertPredictor::tokens_of(const std::vector<std::string_view>& texts,
                                       const std::string& prompt, Host& host) const {
  const auto longest = static_cast<std::int32_t>(shared_->directory.max_seq_length);
  if (prompt.empty()) return shared_->tokenizer->encode(texts, longest, host.threads());
  std::vector<std::string> with;
  for (const std::string_view text : texts) with.push_back(prompt + std::string(text));
  const std::vector<std::string_view> views(with.begin(), with.end());
  return shared_->tokenizer->encode(views, longest, host.threads());
}

void SbertPredictor::write_ids(const Question& question, Host& host,
                               PredictionOutput& output) const {
  Lines lines(question.input);
  while (lines.next()) {
    const bert::Tokens tokens =
        tokens_of({lines.lines.begin(), lines.lines.end()}, question.prompt, host);
    std::string text;
    for (std::int64_t i = 0; i < tokens.size(); ++i) {
      text += '[';
      for (const std::int32_t id : tokens.of(i)) text += std::to_string(id) + ", ";
      text.resize(text.size() - 2);
      text += "]\n";
    }
    output.write(text);
    host.progress("token ids", lines.offset(), lines.bytes());
  }
}

void SbertPredictor::write_embeddings(const Question& question, const Embedder& embedder,
                                      Execution& execution, Host& host,
                                      PredictionOutput& output) const {
  // The header of the array says how many rows follow.
  const std::int64_t total = count_lines(question.input);
  output.write(npy_header(total, shared_->directory.dimension()));
  Lines lines(question.input);
  std::int64_t done = 0;
  const auto begin = std::chrono::steady_clock::now();
  while (lines.next()) {
    const bert::Tokens tokens =
        tokens_of({lines.lines.begin(), lines.lines.end()}, question.prompt, host);
    const at::Tensor rows = embedder.embed(
        {tokens.size(), [&](std::int64_t i) { return tokens.of(i); }}, execution,
        [&](std::int64_t some, std::int64_t) { host.progress("embeddings", done + some, total); });
    done += tokens.size();
    output.write({static_cast<const char*>(rows.const_data_ptr()), rows.nbytes()});
  }
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin;
  host.log(Host::Level::kInfo, std::to_string(done) + " texts in " + one_digit(passed.count()) +
                                   " s, " + one_digit(static_cast<double>(done) / passed.count()) +
                                   " texts/s");
}

void SbertPredictor::write_similarities(const Question& question, const Embedder& embedder,
                                        Execution& execution, Host& host,
                                        PredictionOutput& output) const {
  const Similarity similarity = *similarity_of(shared_->directory.similarity);
  Lines lines(question.similarity);
  while (lines.next()) {
    std::vector<std::string_view> texts;
    for (std::size_t i = 0; i < lines.lines.size(); ++i) {
      const std::string_view line = lines.lines[i];
      const std::size_t tab = line.find('\t');
      if (tab == std::string_view::npos || line.find('\t', tab + 1) != std::string_view::npos) {
        throw Error(Failure::kUser,
                    {.where = lines.path() + ":" +
                              std::to_string(lines.first + static_cast<std::int64_t>(i)),
                     .what = "the line is no pair",
                     .expected = "two texts with one tab between",
                     .got = std::to_string(std::ranges::count(line, '\t')) + " tabs"});
      }
      texts.push_back(line.substr(0, tab));
      texts.push_back(line.substr(tab + 1));
    }
    const bert::Tokens tokens = tokens_of(texts, question.prompt, host);
    const at::Tensor rows =
        embedder.embed({tokens.size(), [&](std::int64_t i) { return tokens.of(i); }}, execution);
    const at::Tensor pairs = rows.view({-1, 2, rows.size(1)});
    const at::Tensor scores =
        pair_similarity(similarity, pairs.select(1, 0), pairs.select(1, 1)).contiguous();
    std::string text;
    for (std::int64_t i = 0; i < scores.numel(); ++i) {
      append_number(text, scores.const_data_ptr<float>()[i]);
      text += '\n';
    }
    output.write(text);
    host.progress("similarities", lines.offset(), lines.bytes());
  }
}

void SbertPredictor::predict(ModelRank& rank, Execution& execution, const Options& options,
                             Host& host, PredictionOutput& output) {
  const Question question = question_of(options);
  const Embedder& embedder = static_cast<SbertRank&>(rank).embedder();
  if (question.token_ids) {
    if (execution.rank() == 0) write_ids(question, host, output);
  } else if (!question.input.empty()) {
    write_embeddings(question, embedder, execution, host, output);
  } else {
    write_similarities(question, embedder, execution, host, output);
  }
}

}  // namespace

std::unique_ptr<trainhost::Predictor> make_predictor(std::shared_ptr<const Shared> shared) {
  return std::make_unique<SbertPredictor>(std::move(shared));
}

}  // namespace sbert
