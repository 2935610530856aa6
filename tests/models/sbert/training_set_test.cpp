// Sets: labels, filters, prompts, bad lines, and the token cache.
#include "sbert/training_set.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "data_support.h"
#include "sbert/token_cache.h"

namespace {

using namespace sbert;
using namespace sbert::testing;
using Rows = std::vector<std::string>;

SetSettings settings_of(const std::string& path, std::vector<std::string> texts = {"2", "3"},
                        std::string label = "1") {
  SetSettings out;
  out.file.path = path;
  out.name = "test";
  out.texts = std::move(texts);
  out.label = std::move(label);
  return out;
}

TrainingSet read(const SetSettings& settings) { return read_set(settings, letters(), 16, 2); }

const std::string kPairs = "0.5\ta b\tc\n1\td\te f g\n0\th\ti\n";

TEST_CASE("rows are texts as ids, and a label") {
  const WrittenFolder folder;
  const TrainingSet set = read(settings_of(folder.write("x.tsv", kPairs)));
  CHECK(rows_of(set) == Rows{"ab|c=0.50", "d|efg=1.00", "h|i=0.00"});
  CHECK(set.rows() == 3);
  CHECK(set.columns() == 2);
  CHECK(set.length(0) == 7);  // [CLS] and [SEP] count
  CHECK(set.longest() == 5);
  CHECK(set.all_tokens() == 21);
  CHECK(std::vector<std::int32_t>(set.tokens(1, 0).begin(), set.tokens(1, 0).end()) ==
        std::vector<std::int32_t>{2, 8, 3});
}

TEST_CASE("label_scale, labels, keep_label, limit and prompts") {
  const WrittenFolder folder;
  const std::string path = folder.write("x.tsv", kPairs);
  SetSettings settings = settings_of(path);
  settings.label_scale = 5;
  CHECK(rows_of(read(settings)) == Rows{"ab|c=0.10", "d|efg=0.20", "h|i=0.00"});
  settings = settings_of(path);
  settings.labels = {"1", "0", "0.5"};
  CHECK(rows_of(read(settings)) == Rows{"ab|c=2.00", "d|efg=0.00", "h|i=1.00"});
  settings = settings_of(path);
  settings.keeps_one_label = true;
  settings.keep_label = "1";
  CHECK(rows_of(read(settings)) == Rows{"d|efg"});
  settings = settings_of(path);
  settings.limit = 2;
  CHECK(read(settings).rows() == 2);
  settings = settings_of(path, {"3"}, "");
  settings.prompts = {"z z "};
  CHECK(rows_of(read(settings)) == Rows{"zzc", "zzefg", "zzi"});
}

TEST_CASE("a bad line stops with file and line, or is counted") {
  const WrittenFolder folder;
  const std::string path = folder.write("x.tsv", "1\ta\tb\nx\tc\td\n0\te\nnan\tq\tq\n0.5\tf\tg\n");
  SetSettings settings = settings_of(path);
  const std::string text = error_of([&] { read(settings); });
  CHECK(has(text, "x.tsv:2: the label is no number"));
  CHECK(has(text, "bad_lines = \"count\""));
  settings.count_bad_lines = true;
  const TrainingSet set = read(settings);
  CHECK(rows_of(set) == Rows{"a|b=1.00", "f|g=0.50"});
  CHECK(set.bad_lines() == 3);
  settings.labels = {"none of them"};
  CHECK(
      has(error_of([&] { read(settings); }), "no line is a record; the first: the label is none"));
  settings = settings_of(path);
  settings.labels = {"1", "0"};
  CHECK(has(error_of([&] { read(settings); }), "x.tsv:2: the label is none of this set's"));
}

TEST_CASE("a set without rows says why") {
  const WrittenFolder folder;
  CHECK(
      has(error_of([&] { read(settings_of(folder.write("x.tsv", ""))); }), "the set has no rows"));
  SetSettings settings = settings_of(folder.write("y.tsv", kPairs));
  settings.keeps_one_label = true;
  settings.keep_label = "contradiction";
  CHECK(has(error_of([&] { read(settings); }), "rows whose label is 'contradiction'"));
}

TEST_CASE("more texts than are tokenised at once, on any number of threads") {
  const WrittenFolder folder;
  std::string content;
  for (int i = 0; i < 20000; ++i) {
    content += "1\t" + std::string(1, static_cast<char>('a' + i % 26)) + "\tx y\n";
  }
  const SetSettings settings = settings_of(folder.write("x.tsv", content));
  std::int64_t done = 0, total = 0;
  const ReadingHooks hooks = {[&](std::int64_t now, std::int64_t all) {
                                CHECK(now >= done);
                                done = now, total = all;
                              },
                              {}};
  const TrainingSet one = read_set(settings, letters(), 16, 1, hooks);
  CHECK(done == static_cast<std::int64_t>(content.size()));
  CHECK(total == done);
  const TrainingSet three = read_set(settings, letters(), 16, 3);
  CHECK(rows_of(one) == rows_of(three));
  CHECK(one.rows() == 20000);
  struct Stop {};
  const ReadingHooks stops = {[](std::int64_t, std::int64_t) { throw Stop{}; }, {}};
  CHECK_THROWS_AS(read_set(settings, letters(), 16, 1, stops), Stop);
}

/// Loads through a cache; counts what was read and what was warned of.
struct Loaded {
  int read = 0;
  std::vector<std::string> warnings;
  TrainingSet set{1, {}, {}};
};

Loaded load(const SetSettings& settings, const std::string& cache, std::int32_t max_length = 16) {
  Loaded out;
  const ReadingHooks hooks = {[&](std::int64_t, std::int64_t) { ++out.read; },
                              [&](const std::string& text) { out.warnings.push_back(text); }};
  out.set = load_set(settings, letters(), max_length, 1, cache, hooks);
  return out;
}

std::vector<std::string> files_of(const std::string& folder) {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) out.push_back(entry.path());
  return out;
}

TEST_CASE("the second time the token cache gives the same set, without reading") {
  const WrittenFolder folder, cache;
  SetSettings settings = settings_of(folder.write("x.tsv", kPairs + "bad\tx\ty\n"));
  settings.count_bad_lines = true;
  const Loaded first = load(settings, cache.path());
  CHECK(first.read == 1);
  const Loaded second = load(settings, cache.path());
  CHECK(second.read == 0);
  CHECK(rows_of(second.set) == rows_of(first.set));
  CHECK(rows_of(second.set) == rows_of(read(settings)));
  CHECK(second.set.bad_lines() == 1);
  REQUIRE(second.warnings.size() == 1);
  CHECK(has(second.warnings[0], "set 'test': 1 bad lines are left out, 3 rows are used"));
  CHECK(files_of(cache.path() + "/sbert").size() == 1);
}

TEST_CASE("the cache is keyed by all that the ids depend on") {
  const WrittenFolder folder, cache;
  const std::string path = folder.write("x.tsv", kPairs);
  const SetSettings base = settings_of(path);
  CHECK(load(base, cache.path()).read == 1);
  std::vector<SetSettings> others(8, base);
  others[0].texts = {"3", "2"};
  others[1].label = "";
  others[2].label_scale = 2;
  others[3].limit = 1;
  others[4].prompts = {"z ", ""};
  others[5].labels = {"0.5", "1", "0"};
  others[6].keeps_one_label = true, others[6].keep_label = "1";
  others[7].file.header = HeaderLine::kYes;
  for (const SetSettings& other : others) {
    CHECK(load(other, cache.path()).read == 1);
    CHECK(load(other, cache.path()).read == 0);
  }
  CHECK(load(base, cache.path(), 4).read == 1);
  CHECK(load(base, cache.path()).read == 0);
  SetSettings renamed = base;
  renamed.name = "another", renamed.loss = "cosent", renamed.weight = 3;
  CHECK(load(renamed, cache.path()).read == 0);
  folder.write("x.tsv", kPairs + "1\tx\ty\n");
  CHECK(load(base, cache.path()).set.rows() == 4);
  folder.write("x.tsv", kPairs);
  CHECK(load(base, cache.path()).read == 0);
}

TEST_CASE("a damaged cache is made again, with a warning") {
  const WrittenFolder folder, cache;
  const SetSettings settings = settings_of(folder.write("x.tsv", kPairs));
  const std::vector<std::string> rows = rows_of(load(settings, cache.path()).set);
  const std::string file = files_of(cache.path() + "/sbert").front();
  const auto size = std::filesystem::file_size(file);
  const auto check_mended = [&] {
    const Loaded mended = load(settings, cache.path());
    CHECK(mended.read == 1);
    REQUIRE(mended.warnings.size() == 1);
    CHECK(has(mended.warnings[0], "is damaged and made again"));
    CHECK(rows_of(mended.set) == rows);
    CHECK(load(settings, cache.path()).warnings.empty());
  };
  for (std::uintmax_t at = 0; at < size; ++at) {  // one byte after the other
    std::fstream out(file, std::ios::in | std::ios::out | std::ios::binary);
    out.seekg(static_cast<std::streamoff>(at));
    const char byte = static_cast<char>(out.get() ^ 0x20);
    out.seekp(static_cast<std::streamoff>(at));
    out.put(byte);
    out.close();
    INFO("byte " << at);
    check_mended();
  }
  for (const std::uintmax_t cut : {size - 1, size / 2, std::uintmax_t{8}}) {
    std::filesystem::resize_file(file, cut);
    check_mended();
  }
}

TEST_CASE("a folder that cannot be written costs a warning") {
  const WrittenFolder folder;
  const SetSettings settings = settings_of(folder.write("x.tsv", kPairs));
  const Loaded loaded = load(settings, folder.write("no-folder", ""));
  CHECK(loaded.set.rows() == 3);
  REQUIRE(loaded.warnings.size() == 1);
  CHECK(has(loaded.warnings[0], "no token cache: "));
  CHECK(has(error_of([&] { load(settings_of("/nowhere/x.tsv"), folder.path()); }), "No such file"));
}

TEST_CASE("processes that make the same cache at once all get it") {
  const WrittenFolder folder, cache;
  std::string content;
  for (int i = 0; i < 3000; ++i) content += kPairs;
  const SetSettings settings = settings_of(folder.write("x.tsv", content));
  std::vector<pid_t> children;
  for (int i = 0; i < 4; ++i) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(load(settings, cache.path()).set.rows() == 9000 ? 0 : 1);
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 1;
    CHECK(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  }
  CHECK(load(settings, cache.path()).read == 0);
  CHECK(files_of(cache.path() + "/sbert").size() == 1);
}

TEST_CASE("a copy of a set outlives the first") {
  const WrittenFolder folder, cache;
  auto first = std::make_unique<TrainingSet>(
      load(settings_of(folder.write("x.tsv", kPairs)), cache.path()).set);
  const TrainingSet copy = *first;
  first.reset();
  CHECK(rows_of(copy).front() == "ab|c=0.50");
}

TEST_CASE("the real files are read whole") {
  const char* const folder = std::getenv("TRAINHOST_DATA");
  const std::string data = folder == nullptr ? "" : std::string(folder) + "/sbert";
  if (data.empty() || !std::filesystem::is_directory(data)) {
    WARN("skipped: TRAINHOST_DATA names no folder with sbert/");
    return;
  }
  const bert::Tokenizer tokenizer(
      bert::Vocabulary::from_text_file(data + "/vocab/bert-base-uncased-vocab.txt"), {});
  const auto rows = [&](const char* name, const SetSettings& like) {
    SetSettings settings = like;
    settings.file.path = data + "/derived/" + name;
    return read_set(settings, tokenizer, 128, 2);
  };
  CHECK(rows("multi30k_pairs_noleak.tsv", settings_of("", {"1", "2"}, "")).rows() == 284'916);
  CHECK(rows("nli_triplets.tsv", settings_of("", {"1", "2", "3"}, "")).rows() == 10'474);
  const TrainingSet scores = rows("stsb_test.tsv", settings_of(""));
  CHECK(scores.rows() == 1'379);
  const auto [least, most] = std::minmax_element(scores.labels().begin(), scores.labels().end());
  CHECK((*least == 0.0F && *most == 1.0F));
  const SetSettings nli = settings_of("");
  CHECK(rows("nli_mix.tsv", nli).rows() == 51'619);
  SetSettings entailed = nli;
  entailed.keeps_one_label = true, entailed.keep_label = "0";
  const std::int64_t kept = rows("nli_mix.tsv", entailed).rows();
  CHECK((kept > 10'000 && kept < 25'000));
}

TEST_CASE("texts at hand become a set") {
  const std::vector<std::string> texts = {"a", "b c", "d", "e"};
  CHECK(rows_of(tokenised(2, texts, {1, 0}, letters(), 16, 1)) == Rows{"a|bc=1.00", "d|e=0.00"});
  CHECK(tokenised(2, {}, {}, letters(), 16, 1).rows() == 0);
}

}  // namespace
