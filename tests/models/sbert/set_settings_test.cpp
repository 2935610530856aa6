// What a recipe says of a set.
#include "sbert/set_settings.h"

#include <algorithm>

#include "data_support.h"

namespace {

using namespace sbert;
using namespace sbert::testing;
using trainhost::List;
using trainhost::Table;
using trainhost::Value;

const trainhost::SourcePosition kHere = {"recipe.lua", 7};

Value text(const char* value) { return {std::string(value), kHere}; }
Value texts(std::initializer_list<const char*> values) {
  List out;
  for (const char* value : values) out.push_back(text(value));
  return {out, kHere};
}

/// A table with the schema's defaults, changed by `changes`.
SetSettings read(Table changes) {
  Table table = {{"file", text("data/x.tsv")},
                 {"name", text("")},
                 {"format", text("auto")},
                 {"header", text("auto")},
                 {"texts", texts({"a", "b"})},
                 {"label", text("")},
                 {"label_scale", {1.0, kHere}},
                 {"labels", texts({})},
                 {"limit", {std::int64_t{0}, kHere}},
                 {"loss", text("")},
                 {"weight", {0.0, kHere}},
                 {"epochs", {std::int64_t{1}, kHere}},
                 {"order", text("random")},
                 {"prompts", texts({})},
                 {"bad_lines", text("stop")}};
  for (auto& [key, value] : changes) {
    const auto found = std::find_if(table.begin(), table.end(),
                                    [&](const auto& entry) { return entry.first == key; });
    if (found == table.end()) {
      table.emplace_back(key, value);
    } else {
      found->second = value;
    }
  }
  const Value root(table, kHere);
  return read_set_settings(trainhost::Options(root, "data.sets[1]"));
}

TEST_CASE("a set of the defaults") {
  const SetSettings set = read({});
  CHECK(set.file.path == "data/x.tsv");
  CHECK(set.file.format == RecordFormat::kAuto);
  CHECK(set.name == "x.tsv");
  CHECK(set.texts == std::vector<std::string>{"a", "b"});
  CHECK_FALSE(set.has_labels());
  CHECK_FALSE(set.count_bad_lines);
  CHECK(set.order == Arrangement::kRandom);
}

TEST_CASE("what a set can say") {
  const SetSettings set = read({{"name", text("nli")},
                                {"format", text("csv")},
                                {"header", text("yes")},
                                {"label", text("gold")},
                                {"label_scale", {5.0, kHere}},
                                {"labels", texts({"yes", "no"})},
                                {"order", text("no_duplicates")},
                                {"prompts", texts({"query: "})},
                                {"bad_lines", text("count")}});
  CHECK(set.name == "nli");
  CHECK(set.file.format == RecordFormat::kCsv);
  CHECK(set.file.header == HeaderLine::kYes);
  CHECK(set.has_labels());
  CHECK(set.label_scale == 5);
  CHECK(set.labels.size() == 2);
  CHECK(set.order == Arrangement::kNoDuplicates);
  CHECK(set.prompts == std::vector<std::string>{"query: ", "query: "});
  CHECK(set.count_bad_lines);
  const SetSettings kept = read({{"label", text("1")}, {"keep_label", text("0")}});
  CHECK(kept.keeps_one_label);
  CHECK_FALSE(kept.has_labels());
}

TEST_CASE("options that contradict each other name their place") {
  const auto complaint = [](const Table& changes) { return error_of([&] { read(changes); }); };
  CHECK(has(complaint({{"keep_label", text("0")}}),
            "recipe.lua:7: 'data.sets[1].keep_label': there is no label"));
  CHECK(has(complaint({{"labels", texts({"x"})}}), "there is no label"));
  CHECK(has(complaint({{"label", text("1")}, {"labels", texts({"x", "y", "x"})}}), "named twice"));
  CHECK(has(complaint({{"texts", texts({"1", "2", "3"})}, {"prompts", texts({"x", "y"})}}),
            "not as many prompts as texts"));
  CHECK(has(complaint({{"texts", texts({})}}), "a set needs texts"));
  CHECK(has(complaint({{"format", text("xml")}}), "auto, tsv, csv, jsonl"));
}

}  // namespace
