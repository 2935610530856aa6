#include "sbert/training_set.h"

#include <algorithm>
#include <utility>

#include "sbert/token_cache.h"
#include "trainhost/error.h"

namespace sbert {
namespace {

struct Arrays {
  bert::Tokens tokens;
  std::vector<float> labels;
};

/// All that the ids and labels of a set depend on; the cache's key.
std::string key_of(const SetSettings& settings, const bert::Tokenizer& tokenizer,
                   std::int32_t max_length) {
  constexpr const char* kCodeVersion = "1";  // of reading: records, labels, limits
  std::string key = std::string("version ") + kCodeVersion;
  const auto add = [&key](const char* name, const std::string& value) {
    // With its length, so that no two lists of values look alike.
    key += std::string("\n") + name + " " + std::to_string(value.size()) + " " + value;
  };
  add("content", content_of(settings.file.path));
  // Decides the format where the recipe does not.
  const std::string& path = settings.file.path;
  add("ending", path.substr(path.find_last_of('/') + 1));
  add("tokenizer", std::to_string(tokenizer.fingerprint()));
  add("length", std::to_string(max_length));
  add("format", std::to_string(static_cast<int>(settings.file.format)));
  add("header", std::to_string(static_cast<int>(settings.file.header)));
  for (const std::string& column : settings.texts) add("text", column);
  for (const std::string& prompt : settings.prompts) add("prompt", prompt);
  add("label", settings.label);
  if (settings.keeps_one_label) add("keep", settings.keep_label);
  add("scale", std::to_string(settings.label_scale));
  for (const std::string& label : settings.labels) add("class", label);
  add("limit", std::to_string(settings.limit));
  add("bad", settings.count_bad_lines ? "count" : "stop");
  return key;
}

void warn_of_bad_lines(const SetSettings& settings, const TrainingSet& set,
                       const ReadingHooks& hooks) {
  if (set.bad_lines() == 0 || !hooks.warn) return;
  hooks.warn("set '" + settings.name + "': " + std::to_string(set.bad_lines()) +
             " bad lines are left out, " + std::to_string(set.rows()) + " rows are used");
}

}  // namespace

TrainingSet::TrainingSet(std::int64_t columns, bert::Tokens tokens, std::vector<float> labels,
                         std::int64_t bad_lines)
    : rows_(tokens.size() / columns), columns_(columns), bad_lines_(bad_lines) {
  const auto arrays = std::make_shared<const Arrays>(Arrays{std::move(tokens), std::move(labels)});
  offsets_ = arrays->tokens.offsets;
  ids_ = arrays->tokens.ids;
  labels_ = arrays->labels;
  memory_ = arrays;
}

std::int64_t TrainingSet::longest() const {
  std::int64_t out = 0;
  for (std::size_t i = 1; i < offsets_.size(); ++i) {
    out = std::max(out, offsets_[i] - offsets_[i - 1]);
  }
  return out;
}

TrainingSet tokenised(std::int64_t columns, std::span<const std::string> texts,
                      std::vector<float> labels, const bert::Tokenizer& tokenizer,
                      std::int32_t max_length, int threads) {
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  return TrainingSet(columns, tokenizer.encode(views, max_length, threads), std::move(labels));
}

TrainingSet load_set(const SetSettings& settings, const bert::Tokenizer& tokenizer,
                     std::int32_t max_length, int threads, const std::string& cache_folder,
                     const ReadingHooks& hooks) {
  const TokenCache cache(cache_folder + "/sbert", key_of(settings, tokenizer, max_length));
  TrainingSet set(1, {}, {});
  const TokenCache::Found found = cache.open(tokenizer.size(), set);
  if (found == TokenCache::Found::kDamaged && hooks.warn) {
    hooks.warn("the token cache " + cache.path() + " is damaged and made again");
  }
  if (found != TokenCache::Found::kSet) {
    set = read_set(settings, tokenizer, max_length, threads, hooks);
    try {
      cache.write(set);
      // Mapped, so that the processes of this machine share the memory.
      cache.open(tokenizer.size(), set);
    } catch (const trainhost::Error& error) {
      if (hooks.warn) hooks.warn(std::string("no token cache: ") + error.what());
    }
  }
  warn_of_bad_lines(settings, set, hooks);
  return set;
}

}  // namespace sbert
