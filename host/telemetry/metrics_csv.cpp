#include "host/telemetry/metrics_csv.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

namespace trainhost::telemetry {
namespace {

using Json = nlohmann::ordered_json;
using Cells = std::vector<std::pair<std::string, std::string>>;  // by column

constexpr const char* kFixedColumns[] = {
    "epoch",         "step",    "objective",    "loss",        "lr",
    "samples_per_s", "memory",  "utilisation",  "power_watts", "temperature_celsius",
    "grad_norm",     "step_ms", "data_wait_ms", "epoch_step",  "split",
    "watched",       "is_best", "seconds"};

std::string quoted(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

std::string cell(const Json& value) {
  if (value.is_null()) return "";
  if (value.is_string()) return quoted(value.get<std::string>());
  return value.dump();
}

// The cells of a line of metrics.jsonl; none where it is no such line.
Cells cells_of(std::string_view line) {
  const Json entry = Json::parse(line.begin(), line.end(), nullptr, /*allow_exceptions=*/false);
  Cells out;
  if (!entry.is_object()) return out;
  for (const auto& [key, value] : entry.items()) {
    const std::string suffix = key == "baseline" ? "_baseline" : "";
    if (!value.is_object()) {
      out.emplace_back(key, cell(value));
      continue;
    }
    for (const auto& [name, figure] : value.items()) out.emplace_back(name + suffix, cell(figure));
  }
  return out;
}

bool has(const std::vector<std::string>& columns, const std::string& column) {
  return std::ranges::find(columns, column) != columns.end();
}

std::string row_text(const std::vector<std::string>& columns, const Cells& cells) {
  std::string out;
  for (const std::string& column : columns) {
    const auto found = std::ranges::find(cells, column, &Cells::value_type::first);
    if (found != cells.end()) out += found->second;
    out += ',';
  }
  out.back() = '\n';
  return out;
}

std::string header_text(const std::vector<std::string>& columns) {
  std::string out;
  for (const std::string& column : columns) out += quoted(column) + ",";
  out.back() = '\n';
  return out;
}

std::vector<std::string> columns_of(const std::string& record) {
  std::vector<std::string> out(std::begin(kFixedColumns), std::end(kFixedColumns));
  std::ifstream lines(record);
  for (std::string line; std::getline(lines, line);) {
    for (const auto& [column, text] : cells_of(line)) {
      if (!has(out, column)) out.push_back(column);
    }
  }
  return out;
}

bool write_table(const std::string& path, const std::vector<std::string>& columns,
                 const std::string& record) {
  std::ofstream out(path, std::ios::trunc);
  out << header_text(columns);
  std::ifstream lines(record);
  for (std::string line; out && std::getline(lines, line);) {
    const Cells cells = cells_of(line);
    if (!cells.empty()) out << row_text(columns, cells);
  }
  out.close();
  return !out.fail();
}

}  // namespace

MetricsCsv::MetricsCsv(const std::string& folder)
    : path_(folder + "/metrics.csv"), record_(folder + "/metrics.jsonl") {}

bool MetricsCsv::add(std::string_view json) {
  if (!works_) return true;
  const Cells cells = cells_of(json);
  if (!file_) return false;
  for (const auto& [column, text] : cells) {
    if (!has(columns_, column)) return false;
  }
  if (!cells.empty()) file_->add(row_text(columns_, cells));
  return true;
}

void MetricsCsv::rebuild() {
  if (!works_) return;
  file_.reset();
  columns_ = columns_of(record_);
  const std::string aside = path_ + ".new";
  errno = 0;
  if (!write_table(aside, columns_, record_) || std::rename(aside.c_str(), path_.c_str()) != 0) {
    const std::string why = errno == 0 ? "it cannot be written" : std::strerror(errno);
    std::remove(aside.c_str());
    works_ = false;
    warning_ = path_ + " ends here: " + why + "; training goes on without it";
    return;
  }
  file_.emplace(path_);
}

void MetricsCsv::flush() {
  if (file_) file_->flush();
}

std::string MetricsCsv::take_warning() {
  if (!file_) return std::exchange(warning_, std::string());
  std::string out = file_->take_warning();
  works_ = works_ && file_->works();
  return out;
}

}  // namespace trainhost::telemetry
