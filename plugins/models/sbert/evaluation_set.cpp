#include "sbert/evaluation_set.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "sbert/records.h"
#include "trainhost/error.h"

namespace sbert {
namespace {

using trainhost::Error;
using trainhost::Failure;
using trainhost::Host;
using trainhost::Options;

/// Texts of a benchmark's corpus that are in memory at once, as text.
constexpr std::size_t kTextsAtOnce = 65536;

EvaluationKind kind_of(const std::string& name) {
  if (name == "triplet") return EvaluationKind::kTriplet;
  if (name == "binary") return EvaluationKind::kBinary;
  if (name == "retrieval") return EvaluationKind::kRetrieval;
  return EvaluationKind::kSimilarity;
}

const std::string& needed(const Options& options, const char* key, const char* kind) {
  if (options.text(key).empty()) {
    throw Error(Failure::kUser, {.where = options.position(key).text(),
                                 .what = "'" + options.full(key) + "' is missing",
                                 .expected = std::string("a file, for kind = \"") + kind + "\""});
  }
  return options.text(key);
}

void require_columns(const Options& options, const EvaluationSettings& settings) {
  const bool triplet = settings.kind == EvaluationKind::kTriplet;
  const std::size_t texts = triplet ? 3 : 2;
  if (settings.set.texts.size() != texts) {
    throw Error(Failure::kUser,
                {.where = options.position("texts").text(),
                 .what = "'" + options.full("texts") + "' has a wrong number of columns",
                 .expected = triplet ? "anchor, positive, negative" : "two texts",
                 .got = std::to_string(settings.set.texts.size())});
  }
  if (!triplet && !settings.set.has_labels()) {
    throw Error(Failure::kUser, {.where = options.position("label").text(),
                                 .what = "'" + options.full("label") + "' is missing",
                                 .expected = "the column of the scores"});
  }
}

/// Files of two columns without a header: ids and texts, or ids and ids.
std::vector<std::string> two_columns() { return {"1", "2"}; }

struct Texts {
  TrainingSet set;
  std::unordered_map<std::string, std::int64_t> number_of;  // by id
};

Texts read_texts(const std::string& path, const std::string& prompt,
                 const bert::Tokenizer& tokenizer, std::int32_t max_length, int threads) {
  RecordReader records({path}, two_columns());
  bert::Tokens tokens;
  std::unordered_map<std::string, std::int64_t> number_of;
  std::vector<std::string> waiting;
  const auto tokenise = [&] {
    const std::vector<std::string_view> views(waiting.begin(), waiting.end());
    const bert::Tokens some = tokenizer.encode(views, max_length, threads);
    const std::int64_t before = tokens.offsets.back();
    for (std::size_t i = 1; i < some.offsets.size(); ++i) {
      tokens.offsets.push_back(before + some.offsets[i]);
    }
    tokens.ids.insert(tokens.ids.end(), some.ids.begin(), some.ids.end());
    waiting.clear();
  };
  for (auto got = records.next(); got != RecordReader::Got::kEnd; got = records.next()) {
    if (got == RecordReader::Got::kBad) throw Error(Failure::kUser, records.problem());
    const auto fields = records.fields();
    const auto number = static_cast<std::int64_t>(number_of.size());
    if (!number_of.emplace(std::string(fields[0]), number).second) {
      throw Error(Failure::kUser, {.where = records.where(),
                                   .what = "this id stands there twice",
                                   .expected = "an id of its own for each text",
                                   .got = std::string(fields[0].substr(0, 60))});
    }
    waiting.push_back(prompt + std::string(fields[1]));
    if (waiting.size() == kTextsAtOnce) tokenise();
  }
  tokenise();
  if (number_of.empty()) {
    throw Error(Failure::kUser,
                {.where = path, .what = "the file has no texts", .expected = "id, tab, text"});
  }
  return {TrainingSet(1, std::move(tokens), {}), std::move(number_of)};
}

std::vector<std::vector<std::int64_t>> read_relevant(const std::string& path, const Texts& queries,
                                                     const Texts& corpus) {
  std::vector<std::vector<std::int64_t>> out(queries.number_of.size());
  RecordReader records({path}, two_columns());
  const auto number = [&](const Texts& texts, std::string_view id, const char* what) {
    const auto found = texts.number_of.find(std::string(id));
    if (found != texts.number_of.end()) return found->second;
    throw Error(Failure::kUser, {.where = records.where(),
                                 .what = std::string("there is no such ") + what,
                                 .got = std::string(id.substr(0, 60))});
  };
  for (auto got = records.next(); got != RecordReader::Got::kEnd; got = records.next()) {
    if (got == RecordReader::Got::kBad) throw Error(Failure::kUser, records.problem());
    const auto fields = records.fields();
    out[static_cast<std::size_t>(number(queries, fields[0], "query"))].push_back(
        number(corpus, fields[1], "document"));
  }
  for (auto& documents : out) {
    std::ranges::sort(documents);
    documents.erase(std::unique(documents.begin(), documents.end()), documents.end());
  }
  return out;
}

}  // namespace

EvaluationSettings EvaluationSettings::read(const Options& options) {
  EvaluationSettings out;
  out.kind = kind_of(options.text("kind"));
  out.query_prompt = options.text("query_prompt");
  out.corpus_prompt = options.text("corpus_prompt");
  out.evaluator.similarities.clear();
  for (const std::string& name : options.texts("similarities")) {
    out.evaluator.similarities.push_back(*similarity_of(name));
  }
  if (out.kind == EvaluationKind::kRetrieval) {
    out.queries = needed(options, "queries", "retrieval");
    out.corpus = needed(options, "corpus", "retrieval");
    out.relevant = needed(options, "relevant", "retrieval");
    out.evaluator.name = options.text("name");
    return out;
  }
  needed(options, "file", options.text("kind").c_str());
  out.set = read_set_settings(options);
  out.evaluator.name = options.text("name");
  require_columns(options, out);
  return out;
}

EvaluationSet load_evaluation(const EvaluationSettings& settings, const bert::Tokenizer& tokenizer,
                              std::int32_t max_length, Host& host) {
  if (settings.kind != EvaluationKind::kRetrieval) {
    const ReadingHooks hooks{
        {}, [&](const std::string& text) { host.log(Host::Level::kWarning, text); }};
    return {settings,
            load_set(settings.set, tokenizer, max_length, host.threads(), host.cache_directory(),
                     hooks),
            TrainingSet(1, {}, {}),
            {}};
  }
  const int threads = host.threads();
  Texts queries =
      read_texts(settings.queries, settings.query_prompt, tokenizer, max_length, threads);
  Texts corpus =
      read_texts(settings.corpus, settings.corpus_prompt, tokenizer, max_length, threads);
  auto relevant = read_relevant(settings.relevant, queries, corpus);
  return {settings, std::move(queries.set), std::move(corpus.set), std::move(relevant)};
}

}  // namespace sbert
