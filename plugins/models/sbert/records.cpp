#include "sbert/records.h"

#include <algorithm>
#include <numeric>

#include "sbert/record_parser.h"

namespace sbert {
namespace {

using trainhost::Error;
using trainhost::Failure;

RecordFormat format_of(const RecordFile& file) {
  if (file.format != RecordFormat::kAuto) return file.format;
  std::string_view name = file.path;
  if (name.ends_with(".gz")) name.remove_suffix(3);
  if (name.ends_with(".tsv") || name.ends_with(".txt")) return RecordFormat::kTsv;
  if (name.ends_with(".csv")) return RecordFormat::kCsv;
  if (name.ends_with(".jsonl") || name.ends_with(".ndjson")) return RecordFormat::kJsonl;
  throw Error(Failure::kUser, {.where = file.path,
                               .what = "the name does not tell the format",
                               .expected = ".tsv, .txt, .csv or .jsonl, maybe with .gz behind it",
                               .fix = "say format = \"tsv\", \"csv\" or \"jsonl\""});
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0]++;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string nearest(const std::string& name, std::span<const std::string> known) {
  std::string best;
  std::size_t distance = std::max<std::size_t>(2, name.size() / 2) + 1;
  for (const std::string& candidate : known) {
    const std::size_t its = edit_distance(name, candidate);
    if (its >= distance) continue;
    distance = its;
    best = candidate;
  }
  return best;
}

std::size_t column_number(const std::string& column) {
  constexpr std::size_t kMostDigits = 4;
  if (column.empty() || column.size() > kMostDigits || column.front() == '0') return 0;
  std::size_t number = 0;
  for (const char digit : column) {
    if (digit < '0' || digit > '9') return 0;
    number = number * 10 + static_cast<std::size_t>(digit - '0');
  }
  return number;
}

std::string shown(std::string_view text) {
  constexpr std::size_t kMost = 60;
  std::string out = "'" + std::string(text.substr(0, kMost));
  for (char& byte : out) {
    if (static_cast<unsigned char>(byte) < 0x20 || byte == 0x7f) byte = '?';
  }
  return out + (text.size() > kMost ? "…'" : "'");
}

void RecordReader::Parser::missing_column(const std::string& name,
                                          const std::vector<std::string>& known) const {
  std::string list;
  for (const std::string& one : known) list += (list.empty() ? "'" : ", '") + one + "'";
  const std::string near = nearest(name, known);
  throw Error(Failure::kUser, {.where = where(),
                               .what = "there is no column '" + name + "'",
                               .expected = "one of " + list,
                               .fix = near.empty() ? "name one of these, or give a number from 1"
                                                   : "did you mean '" + near + "'?"});
}

RecordReader::RecordReader(const RecordFile& file, std::vector<std::string> columns) {
  switch (format_of(file)) {
    case RecordFormat::kCsv:
      parser_ = csv_parser(file, std::move(columns));
      break;
    case RecordFormat::kJsonl:
      parser_ = jsonl_parser(file, std::move(columns));
      break;
    default:
      parser_ = tsv_parser(file, std::move(columns));
  }
}

RecordReader::~RecordReader() = default;

RecordReader::Got RecordReader::next() {
  const Got got = parser_->next(fields_);
  if (got == Got::kBad) problem_ = parser_->problem();
  return got;
}

std::string RecordReader::where() const { return parser_->where(); }
std::int64_t RecordReader::offset() const { return parser_->lines().offset(); }
std::int64_t RecordReader::bytes() const { return parser_->lines().bytes(); }

}  // namespace sbert
