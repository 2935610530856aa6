// RecordReader: the columns of a TSV, CSV or JSONL file, plain or .gz, record by record.
//
// TSV has no quoting: every quotation mark is text (as in STS-B). CSV is RFC 4180: quoted fields
// may hold commas, doubled quotes and line feeds. JSONL is one object (columns by name) or list (by
// number) a line; numbers there count as their text. Blank lines are skipped; a byte-order mark and
// CRLF are no part of the data; a last line needs no line feed.
// Owner: owns the open file. Threads: one.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "trainhost/error.h"

namespace sbert {

enum class RecordFormat { kAuto, kTsv, kCsv, kJsonl };
/// kAuto: there is a header line where columns are asked for by name.
enum class HeaderLine { kAuto, kYes, kNo };

struct RecordFile {
  std::string path;
  RecordFormat format = RecordFormat::kAuto;  ///< kAuto: by the name (.tsv .txt .csv .jsonl, + .gz)
  HeaderLine header = HeaderLine::kAuto;
};

class RecordReader {
 public:
  /// `columns`: names, or numbers from 1. Throws trainhost::Error (kUser) with the file: what
  /// line_reader.h says, a format that its name does not tell, a column that is not there (naming
  /// those that are, and the nearest).
  RecordReader(const RecordFile& file, std::vector<std::string> columns);
  ~RecordReader();

  enum class Got { kRecord, kBad, kEnd };
  /// kBad: this line is no record, problem() says why, and reading goes on behind it.
  Got next();

  /// Of the columns asked for, in that order; until the next next().
  std::span<const std::string_view> fields() const { return fields_; }
  const trainhost::Error::Text& problem() const { return problem_; }
  /// Where the record begins: "FILE:17".
  std::string where() const;
  /// Bytes of the file, read and in all, for progress.
  std::int64_t offset() const;
  std::int64_t bytes() const;

  class Parser;

 private:
  std::unique_ptr<Parser> parser_;
  std::vector<std::string_view> fields_;
  trainhost::Error::Text problem_;
};

/// What a user may have meant by `name`: the nearest of `known`, or "" where none is near.
std::string nearest(const std::string& name, std::span<const std::string> known);

}  // namespace sbert
