// What the formats of records.h have in common: one parser a format.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sbert/line_reader.h"
#include "sbert/records.h"

namespace sbert {

/// Purpose: the chosen columns of one record after another. Owner: owns the open file and the text
/// of the record at hand. Threads: one.
class RecordReader::Parser {
 public:
  Parser(const RecordFile& file, std::vector<std::string> columns)
      : columns_(std::move(columns)), lines_(file.path) {}
  virtual ~Parser() = default;
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;

  /// As RecordReader::next; on kBad problem() is set.
  virtual Got next(std::vector<std::string_view>& fields) = 0;

  const LineReader& lines() const { return lines_; }
  const trainhost::Error::Text& problem() const { return problem_; }
  std::string where() const { return lines_.path() + ":" + std::to_string(line_); }

 protected:
  /// The next line that is not blank, as the start of a record; false at the end.
  bool begin_record() {
    do {
      text_.clear();
      if (!lines_.append_line(text_)) return false;
      if (text_.ends_with('\r')) text_.pop_back();
    } while (text_.find_first_not_of(" \t") == std::string::npos);
    line_ = lines_.number();
    return true;
  }
  Got bad(std::string what, std::string expected, std::string got) {
    problem_ = {.where = where(),
                .what = std::move(what),
                .expected = std::move(expected),
                .got = std::move(got)};
    return Got::kBad;
  }
  [[noreturn]] void missing_column(const std::string& name,
                                   const std::vector<std::string>& known) const;

  const std::vector<std::string> columns_;
  LineReader lines_;
  std::string text_;  // of the record
  std::int64_t line_ = 0;
  trainhost::Error::Text problem_;
};

std::unique_ptr<RecordReader::Parser> tsv_parser(const RecordFile& file,
                                                 std::vector<std::string> columns);
std::unique_ptr<RecordReader::Parser> csv_parser(const RecordFile& file,
                                                 std::vector<std::string> columns);
std::unique_ptr<RecordReader::Parser> jsonl_parser(const RecordFile& file,
                                                   std::vector<std::string> columns);

/// The number that a column is asked for by, from 1; 0: it is a name.
std::size_t column_number(const std::string& column);
/// A piece of a file, fit to be shown: at most 60 bytes, control characters as '?'.
std::string shown(std::string_view text);

}  // namespace sbert
