// TSV and CSV.
#include <algorithm>

#include "sbert/record_parser.h"

namespace sbert {
namespace {

using Got = RecordReader::Got;

/// Rows of fields, of which some are chosen.
class TableParser : public RecordReader::Parser {
 public:
  TableParser(const RecordFile& file, std::vector<std::string> columns)
      : Parser(file, std::move(columns)) {
    for (const std::string& column : columns_) chosen_.push_back(column_number(column));
    const bool named = std::find(chosen_.begin(), chosen_.end(), 0U) != chosen_.end();
    unread_header_ = file.header == HeaderLine::kYes || (file.header == HeaderLine::kAuto && named);
    if (named && !unread_header_) no_names();
  }

  Got next(std::vector<std::string_view>& fields) final {
    if (unread_header_) read_header();
    if (!begin_record()) return Got::kEnd;
    if (!split()) return Got::kBad;
    fields.clear();
    for (std::size_t i = 0; i < chosen_.size(); ++i) {
      if (chosen_[i] > row_.size()) {
        return bad(
            "this line has too few columns",
            "a column " + std::to_string(chosen_[i]) + (named(i) ? " ('" + columns_[i] + "')" : ""),
            std::to_string(row_.size()) + " columns: " + shown(text_));
      }
      fields.push_back(row_[chosen_[i] - 1]);
    }
    return Got::kRecord;
  }

 protected:
  /// The fields of text_, which a format may lengthen by further lines. False: bad() was called.
  virtual bool split() = 0;

  std::vector<std::string_view> row_;

 private:
  bool named(std::size_t i) const { return column_number(columns_[i]) == 0; }

  void read_header() {
    unread_header_ = false;
    if (!begin_record()) return;
    if (!split()) throw trainhost::Error(trainhost::Failure::kUser, problem_);
    const std::vector<std::string> names(row_.begin(), row_.end());
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (!named(i)) continue;
      const auto found = std::find(names.begin(), names.end(), columns_[i]);
      if (found == names.end()) missing_column(columns_[i], names);
      chosen_[i] = static_cast<std::size_t>(found - names.begin()) + 1;
    }
  }

  [[noreturn]] void no_names() const {
    throw trainhost::Error(trainhost::Failure::kUser,
                           {.where = lines_.path(),
                            .what = "without a header line columns have no names",
                            .expected = "numbers of columns, from 1",
                            .fix = "say header = \"yes\", or give numbers"});
  }

  std::vector<std::size_t> chosen_;  // from 1, in the order of columns_; 0 until the header is read
  bool unread_header_;
};

class TsvParser final : public TableParser {
 public:
  using TableParser::TableParser;

 protected:
  bool split() override {
    row_.clear();
    const std::string_view text = text_;
    for (std::size_t at = 0; at <= text.size();) {
      const std::size_t end = std::min(text.find('\t', at), text.size());
      row_.push_back(text.substr(at, end - at));
      at = end + 1;
    }
    return true;
  }
};

class CsvParser final : public TableParser {
 public:
  using TableParser::TableParser;

 protected:
  bool split() override {
    row_.clear();
    values_.clear();
    ends_.clear();
    std::size_t at = 0;
    while (true) {
      const bool good = at < text_.size() && text_[at] == '"' ? quoted(at) : plain(at);
      if (!good) return false;
      ends_.push_back(values_.size());
      if (at == text_.size()) break;
      ++at;  // the comma
    }
    std::size_t begin = 0;
    for (const std::size_t end : ends_) {
      row_.push_back(std::string_view(values_).substr(begin, end - begin));
      begin = end;
    }
    return true;
  }

 private:
  bool plain(std::size_t& at) {
    const std::size_t end = std::min(text_.find(',', at), text_.size());
    values_.append(text_, at, end - at);
    at = end;
    return true;
  }

  bool quoted(std::size_t& at) {
    ++at;
    while (true) {
      const std::size_t quote = text_.find('"', at);
      if (quote == std::string::npos) {
        values_.append(text_, at);
        at = text_.size();
        if (!next_line()) return false;
        continue;
      }
      values_.append(text_, at, quote - at);
      at = quote + 1;
      if (at == text_.size() || text_[at] == ',') return true;
      if (text_[at] != '"') {
        bad("text stands behind a closing quotation mark", "a comma, or the quotation mark twice",
            shown(std::string_view(text_).substr(quote)));
        return false;
      }
      values_ += '"';
      ++at;
    }
  }

  /// A quoted field goes on in the next line; CRLF within it counts as a line feed.
  bool next_line() {
    const std::size_t before = text_.size();
    text_ += '\n';
    if (text_.size() < LineReader::kLongestLine && lines_.append_line(text_)) {
      if (text_.ends_with('\r')) text_.pop_back();
      return true;
    }
    text_.resize(before);
    bad("a quotation mark is opened and not closed", "a closing quotation mark",
        "the end of the file, or more than 64 MiB of text");
    return false;
  }

  std::string values_;             // the fields, without their quotes
  std::vector<std::size_t> ends_;  // of each in values_
};

}  // namespace

std::unique_ptr<RecordReader::Parser> tsv_parser(const RecordFile& file,
                                                 std::vector<std::string> columns) {
  return std::make_unique<TsvParser>(file, std::move(columns));
}

std::unique_ptr<RecordReader::Parser> csv_parser(const RecordFile& file,
                                                 std::vector<std::string> columns) {
  return std::make_unique<CsvParser>(file, std::move(columns));
}

}  // namespace sbert
