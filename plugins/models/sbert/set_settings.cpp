#include "sbert/set_settings.h"

#include <algorithm>
#include <filesystem>

#include "trainhost/error.h"

namespace sbert {
namespace {

using trainhost::Error;
using trainhost::Failure;
using trainhost::Options;

template <class T>
T one_of(const Options& options, const char* key,
         std::initializer_list<std::pair<const char*, T>> known) {
  const std::string& text = options.text(key);
  std::string names;
  for (const auto& [name, value] : known) {
    if (text == name) return value;
    names += (names.empty() ? "" : ", ") + std::string(name);
  }
  throw Error(Failure::kUser, {.where = options.position(key).text(),
                               .what = "'" + options.full(key) + "' is not known",
                               .expected = names,
                               .got = text});
}

void check(const Options& options, SetSettings& out) {
  const auto refuse = [&](const char* key, const char* what, const char* fix) {
    throw Error(Failure::kUser, {.where = options.position(key).text(),
                                 .what = "'" + options.full(key) + "': " + what,
                                 .fix = fix});
  };
  if (out.texts.empty()) refuse("texts", "a set needs texts", "name the columns of the texts");
  if (out.label.empty() && (out.keeps_one_label || !out.labels.empty())) {
    refuse(out.keeps_one_label ? "keep_label" : "labels", "there is no label to compare with",
           "name the column of the label");
  }
  if (out.prompts.size() == 1) out.prompts.resize(out.texts.size(), out.prompts.front());
  if (!out.prompts.empty() && out.prompts.size() != out.texts.size()) {
    refuse("prompts", "there are not as many prompts as texts",
           "give one for each, or one for all");
  }
  std::vector<std::string> sorted = out.labels;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) {
    refuse("labels", "a class is named twice", "name each class once");
  }
}

}  // namespace

SetSettings read_set_settings(const Options& options) {
  SetSettings out;
  out.file.path = options.text("file");
  out.name = options.text("name");
  if (out.name.empty()) out.name = std::filesystem::path(out.file.path).filename().string();
  out.file.format = one_of<RecordFormat>(options, "format",
                                         {{"auto", RecordFormat::kAuto},
                                          {"tsv", RecordFormat::kTsv},
                                          {"csv", RecordFormat::kCsv},
                                          {"jsonl", RecordFormat::kJsonl}});
  out.file.header = one_of<HeaderLine>(
      options, "header",
      {{"auto", HeaderLine::kAuto}, {"yes", HeaderLine::kYes}, {"no", HeaderLine::kNo}});
  out.texts = options.texts("texts");
  out.label = options.text("label");
  out.keeps_one_label = options.has("keep_label");
  if (out.keeps_one_label) out.keep_label = options.text("keep_label");
  out.label_scale = options.real("label_scale");
  out.labels = options.texts("labels");
  out.limit = options.integer("limit");
  out.loss = options.text("loss");
  out.weight = options.real("weight");
  out.epochs = options.integer("epochs");
  out.order = one_of<Arrangement>(options, "order",
                                  {{"random", Arrangement::kRandom},
                                   {"length", Arrangement::kLength},
                                   {"no_duplicates", Arrangement::kNoDuplicates}});
  out.prompts = options.texts("prompts");
  out.count_bad_lines = one_of<bool>(options, "bad_lines", {{"stop", false}, {"count", true}});
  check(options, out);
  return out;
}

}  // namespace sbert
