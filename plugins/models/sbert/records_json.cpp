// JSONL.
#include <nlohmann/json.hpp>

#include "sbert/record_parser.h"

namespace sbert {
namespace {

using Got = RecordReader::Got;
using nlohmann::json;

class JsonlParser final : public RecordReader::Parser {
 public:
  using Parser::Parser;

  Got next(std::vector<std::string_view>& fields) override {
    if (!begin_record()) return Got::kEnd;
    const json row = json::parse(text_, nullptr, false);
    if (row.is_discarded()) return bad("this line is no JSON", "an object or a list", shown(text_));
    if (!row.is_object() && !row.is_array()) {
      return bad("this line is neither an object nor a list", "{…} or […]", shown(text_));
    }
    values_.assign(columns_.size(), "");
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const json* value = find(row, columns_[i]);
      if (value == nullptr) return missing(row, columns_[i]);
      if (!value->is_string() && !value->is_number()) {
        return bad("column '" + columns_[i] + "' is neither text nor number", "a text or a number",
                   shown(value->dump(-1, ' ', true, json::error_handler_t::replace)));
      }
      values_[i] = value->is_string() ? value->get<std::string>() : value->dump();
    }
    first_ = false;
    fields.assign(values_.begin(), values_.end());
    return Got::kRecord;
  }

 private:
  static const json* find(const json& row, const std::string& column) {
    if (row.is_object()) {
      const auto found = row.find(column);
      return found == row.end() ? nullptr : &*found;
    }
    const std::size_t number = column_number(column);
    return number == 0 || number > row.size() ? nullptr : &row[number - 1];
  }

  /// In the first record it is the name that is wrong, later the record.
  Got missing(const json& row, const std::string& column) {
    std::vector<std::string> known;
    for (const auto& [key, value] : row.items()) {
      known.push_back(row.is_object() ? key : std::to_string(known.size() + 1));
    }
    if (first_) missing_column(column, known);
    return bad("this line has no column '" + column + "'",
               row.is_object() ? "an object with it" : "a list that is long enough", shown(text_));
  }

  std::vector<std::string> values_;
  bool first_ = true;
};

}  // namespace

std::unique_ptr<RecordReader::Parser> jsonl_parser(const RecordFile& file,
                                                   std::vector<std::string> columns) {
  return std::make_unique<JsonlParser>(file, std::move(columns));
}

}  // namespace sbert
