// TSV, CSV and JSONL: forms that are read, and lines that are not.
#include "sbert/records.h"

#include <zlib.h>

#include "data_support.h"
#include "sbert/line_reader.h"

namespace {

using namespace sbert;
using namespace sbert::testing;
using Got = RecordReader::Got;
using Rows = std::vector<std::string>;

/// Records as "a|b"; a bad line as "!" and what is wrong.
Rows read(const RecordFile& file, const std::vector<std::string>& columns) {
  RecordReader reader(file, columns);
  Rows out;
  for (Got got = reader.next(); got != Got::kEnd; got = reader.next()) {
    if (got == Got::kBad) {
      out.push_back("!" + reader.problem().what);
      continue;
    }
    std::string row;
    for (const std::string_view field : reader.fields()) {
      row += (row.empty() ? "" : "|") + std::string(field);
    }
    out.push_back(row);
  }
  return out;
}

Rows read(const std::string& name, const std::string& content,
          const std::vector<std::string>& columns, HeaderLine header = HeaderLine::kAuto) {
  const WrittenFolder folder;
  return read({folder.write(name, content), RecordFormat::kAuto, header}, columns);
}

std::string complaint(const std::string& name, const std::string& content,
                      const std::vector<std::string>& columns,
                      HeaderLine header = HeaderLine::kAuto) {
  return error_of([&] { read(name, content, columns, header); });
}

void write_gzip(const std::string& path, const std::string& content) {
  gzFile file = gzopen(path.c_str(), "wb");
  REQUIRE(gzwrite(file, content.data(), static_cast<unsigned>(content.size())) ==
          static_cast<int>(content.size()));
  gzclose(file);
}

TEST_CASE("TSV: columns by number or name, quotation marks are text") {
  CHECK(read("x.tsv", "1\t\"a\tb\"\n2\tc\td\textra\n", {"2", "3", "1"}) ==
        Rows{"\"a|b\"|1", "c|d|2"});
  CHECK(read("x.txt", "s\ta\tb\n1\tx\ty\n", {"b", "a"}) == Rows{"y|x"});
  CHECK(read("x.tsv", "s\ta\tb\n1\tx\ty\n", {"1", "b"}) == Rows{"1|y"});
  CHECK(read("x.tsv", "s\ta\n1\tx\n", {"2"}, HeaderLine::kYes) == Rows{"x"});
  CHECK(read("x.tsv", "\t\n", {"1", "2"}) == Rows{});  // blank
  CHECK(read("x.tsv", "\tb\n", {"1", "2"}) == Rows{"b"});
}

TEST_CASE("a byte-order mark, CRLF, blank lines and a missing last line feed are no data") {
  for (const char* content : {"a\tb\nc\td\n",
                              "\xEF\xBB\xBF"
                              "a\tb\nc\td\n",
                              "a\tb\r\nc\td\r\n", "\n\na\tb\n \t\nc\td\n\n", "a\tb\nc\td",
                              "\xEF\xBB\xBF\r\na\tb\r\nc\td"}) {
    INFO(content);
    CHECK(read("x.tsv", content, {"1", "2"}) == Rows{"a|b", "c|d"});
  }
  CHECK(read("x.tsv", "", {"1"}).empty());
  CHECK(read("x.tsv", "\xEF\xBB\xBF", {"1"}).empty());
  CHECK(read("x.tsv", "name\n", {"name"}).empty());
}

TEST_CASE("CSV: quotes as RFC 4180 has them") {
  CHECK(read("x.csv", "a,\"b,c\",d\n", {"1", "2", "3"}) == Rows{"a|b,c|d"});
  CHECK(read("x.csv", "\"say \"\"hi\"\"\",\"\"\n", {"1", "2"}) == Rows{"say \"hi\"|"});
  CHECK(read("x.csv", "\"two\nlines\",b\r\n\"three\r\n\r\nlines\",d\n", {"1", "2"}) ==
        Rows{"two\nlines|b", "three\n\nlines|d"});
  CHECK(read("x.csv", "a b,5'\"\n", {"1", "2"}) == Rows{"a b|5'\""});
  CHECK(read("x.csv", "a,\n,b\n", {"1", "2"}) == Rows{"a|", "b"});
  CHECK(read("x.csv", "x,\"the label\"\n1,2\n", {"the label"}) == Rows{"2"});
}

TEST_CASE("CSV: a bad quote is a bad line, and reading goes on") {
  CHECK(read("x.csv", "\"a\"b,c\nd,e\n", {"1"}) ==
        Rows{"!text stands behind a closing quotation mark", "d"});
  CHECK(read("x.csv", "a,b\n\"c,d\ne,f\n", {"1"}) ==
        Rows{"a", "!a quotation mark is opened and not closed"});
  CHECK(has(complaint("x.csv", "\"na\"me,c\n1,2\n", {"c"}), "x.csv:1: text stands behind"));
}

TEST_CASE("JSONL: objects by name, lists by number, numbers as text") {
  CHECK(read("x.jsonl", "{\"b\": \"x\", \"a\": 2.5}\n\n{\"a\": 1, \"b\": \"\\u00e9\"}\n",
             {"a", "b"}) == Rows{"2.5|x", "1|é"});
  CHECK(read("x.jsonl", "[\"x\", \"y\"]\n[\"z\", 3]", {"2", "1"}) == Rows{"y|x", "3|z"});
  CHECK(read("x.jsonl", "{\"a\": 1}\n{\"b\": 1}\n7\nx\n{\"a\": null}\n[]\n{\"a\": [1]}\n", {"a"}) ==
        Rows{"1", "!this line has no column 'a'", "!this line is neither an object nor a list",
             "!this line is no JSON", "!column 'a' is neither text nor number",
             "!this line has no column 'a'", "!column 'a' is neither text nor number"});
}

TEST_CASE("gzip is read like the file itself") {
  const WrittenFolder folder;
  std::string content;
  for (int i = 0; i < 60000; ++i)
    content += std::to_string(i) + "\tline " + std::to_string(i) + "\n";
  const std::string plain = folder.write("x.tsv", content), packed = folder.path() + "/x.tsv.gz";
  write_gzip(packed, content);
  CHECK(read({packed}, {"2", "1"}) == read({plain}, {"2", "1"}));

  RecordReader reader({packed}, {"1"});
  while (reader.next() != Got::kEnd) CHECK(reader.offset() <= reader.bytes());
  CHECK(reader.offset() == reader.bytes());
  CHECK(reader.where() == packed + ":60000");
}

TEST_CASE("a damaged gzip file is told from its end") {
  const WrittenFolder folder;
  std::string content;
  for (int i = 0; i < 5000; ++i) content += std::to_string(i * 7919) + "\n";
  const std::string path = folder.path() + "/x.tsv.gz";
  write_gzip(path, content);
  const auto size = std::filesystem::file_size(path);
  std::filesystem::resize_file(path, size / 2);
  CHECK(has(error_of([&] { read({path}, {"1"}); }), "the gzip file is cut off"));
  write_gzip(path, content);
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(size / 2));
    file.write("\xff\xff\xff\xff\xff\xff\xff\xff", 8);
  }
  CHECK(has(error_of([&] { read({path}, {"1"}); }), "x.tsv.gz:"));
}

TEST_CASE("a line with too few columns is bad, with its place") {
  const WrittenFolder folder;
  RecordReader reader({folder.write("x.tsv", "s\tlabel\na\tb\nc\n")}, {"label"});
  CHECK(reader.next() == Got::kRecord);
  CHECK(reader.next() == Got::kBad);
  CHECK(has(reader.problem().where, "x.tsv:3"));
  CHECK(has(reader.problem().expected, "column 2 ('label')"));
  CHECK(has(reader.problem().got, "'c'"));
  CHECK(reader.next() == Got::kEnd);
}

TEST_CASE("a missing column names those that exist, and the nearest") {
  const std::string header = "score\tsentence1\tsentence2\n1\ta\tb\n";
  const std::string text = complaint("x.tsv", header, {"sentense1"});
  CHECK(has(text, "x.tsv:1: there is no column 'sentense1'"));
  CHECK(has(text, "'score', 'sentence1', 'sentence2'"));
  CHECK(has(text, "did you mean 'sentence1'?"));
  CHECK(has(complaint("x.tsv", header, {"quite another"}), "give a number from 1"));
  CHECK(has(complaint("x.jsonl", "{\"text\": 1}\n", {"texts"}), "did you mean 'text'?"));
  CHECK(has(complaint("x.jsonl", "[1, 2]\n", {"3"}), "one of '1', '2'"));
  CHECK(has(complaint("x.tsv", header, {"score"}, HeaderLine::kNo), "without a header line"));
}

TEST_CASE("files that cannot be read are told, not waited for") {
  CHECK(has(error_of([] { read({"/nowhere/x.tsv"}, {"1"}); }), "No such file"));
  const WrittenFolder folder;
  std::filesystem::create_directory(folder.path() + "/x.tsv");
  CHECK(has(error_of([&] { read({folder.path() + "/x.tsv"}, {"1"}); }), "no regular file"));
  CHECK(has(complaint("x.dat", "a\n", {"1"}), "say format ="));
  CHECK(read({folder.write("y.dat", "a,b\n"), RecordFormat::kCsv}, {"2"}) == Rows{"b"});
}

TEST_CASE("a line of more than 64 MiB stops") {
  CHECK(has(complaint("x.tsv", std::string(LineReader::kLongestLine + 1, 'x'), {"1"}),
            "longer than 64"));
}

TEST_CASE("numbers of columns are numbers, all else is a name") {
  CHECK(nearest("lable", std::vector<std::string>{"text", "label"}) == "label");
  CHECK(nearest("x", std::vector<std::string>{"something"}).empty());
  // "0" and "01" are names.
  CHECK(has(complaint("x.tsv", "a\tb\n", {"0"}), "there is no column '0'"));
  CHECK(read("x.tsv", "01\tb\n1\t2\n", {"01"}) == Rows{"1"});
}

}  // namespace
