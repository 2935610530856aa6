#include "host/plugins/report.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace trainhost::plugins {
namespace {

using Json = nlohmann::ordered_json;
using Row = std::vector<std::string>;

std::string dump(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

PluginRow row_of(const PluginInfo& info) {
  return {.id = info.id,
          .kind = kind_name(info.kind),
          .version = info.version,
          .file = info.file,
          .usable = true,
          .reason = "",
          .notes = info.warnings,
          .devices = {}};
}

/// Of several files with one id only a named one can be used.
void settle_duplicates(const Catalog& catalog, const Catalog::Entry& entry, PluginRow& row) {
  const auto same = catalog.same_id(entry);
  const Catalog::Entry* winner = Catalog::winner(same);
  if (winner == &entry) return;
  row.usable = false;
  if (winner != nullptr) {
    row.reason = "replaced by " + winner->inspection.file + ", which was named";
    return;
  }
  for (const Catalog::Entry* other : same) {
    if (other == &entry) continue;
    row.reason += (row.reason.empty() ? "also in " : ", ") + other->inspection.file;
  }
  row.reason += "; name one by its path or by --plugin FILE";
}

void ask(Catalog& catalog, const std::string& libtorch, PluginRow& row) {
  ProbeResult answer = catalog.probe_device(row.id, libtorch);
  row.usable = !answer.devices.empty();
  row.reason = answer.why_not;
  row.devices = std::move(answer.devices);
}

std::string memory_text(std::int64_t bytes) {
  if (bytes < 0) return "";
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f GiB", std::ldexp(static_cast<double>(bytes), -30));
  return text.data();
}

std::string device_lines(const PluginRow& row) {
  std::vector<Row> rows;
  for (const ProbedDevice& device : row.devices) {
    rows.push_back({row.id + ":" + std::to_string(device.index), device.name,
                    memory_text(device.memory_bytes)});
  }
  return table(rows, "      ");
}

std::string refused_text(const Inspection& refused) {
  std::string out = "  " + refused.file;
  if (refused.note) {
    const PluginInfo& info = refused.note->info;
    out.append(" (").append(info.id).append(" ").append(info.version).append(")");
  }
  out += "\n";
  for (const std::string& reason : refused.reasons)
    out.append("    - ").append(reason).append("\n");
  if (!refused.fix.empty()) out.append("    fix: ").append(refused.fix).append("\n");
  return out;
}

std::string plugin_table(const PluginReport& report, bool devices) {
  std::vector<Row> rows{{"ID", "KIND", "VERSION", "USABLE", "FILE"}};
  for (const PluginRow& row : report.plugins) {
    rows.push_back({row.id, row.kind, row.version, row.usable ? "yes" : "no", row.file});
  }
  const std::string lines = table(rows, "  ");
  // Behind each line of the table, what belongs to it.
  std::string out = lines.substr(0, lines.find('\n') + 1);
  std::size_t at = out.size();
  for (const PluginRow& row : report.plugins) {
    const std::size_t end = lines.find('\n', at) + 1;
    out += lines.substr(at, end - at);
    at = end;
    if (!row.reason.empty()) out.append("      ").append(row.reason).append("\n");
    for (const std::string& note : row.notes) out.append("      note: ").append(note).append("\n");
    if (devices) out += device_lines(row);
    if (devices && !row.links.empty()) out.append("      links  ").append(row.links).append("\n");
  }
  return out;
}

Json devices_json(const PluginRow& row) {
  Json out = Json::array();
  for (const ProbedDevice& device : row.devices) {
    out.push_back(Json{
        {"index", device.index}, {"name", device.name}, {"memory_bytes", device.memory_bytes}});
  }
  return out;
}

}  // namespace

std::string table(const std::vector<std::vector<std::string>>& rows, const std::string& indent) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line = indent;
    for (std::size_t i = 0; i < row.size(); ++i) {
      std::string cell = row[i];
      if (i + 1 < row.size()) cell.resize(widths[i] + 2, ' ');
      line += cell;
    }
    line.resize(line.find_last_not_of(' ') + 1);
    out.append(line).append("\n");
  }
  return out;
}

PluginReport report_plugins(Catalog& catalog, const std::string& libtorch) {
  PluginReport out;
  std::vector<std::string> devices;
  for (const Catalog::Entry& entry : catalog.entries()) {
    if (!entry.inspection.usable()) out.refused.push_back(entry.inspection);
    if (!entry.is_usable_plugin()) continue;
    PluginRow& row = out.plugins.emplace_back(row_of(entry.info()));
    settle_duplicates(catalog, entry, row);
    if (entry.info().kind != Kind::kDevice) continue;
    devices.push_back(row.id);
    if (row.usable) ask(catalog, libtorch, row);
  }
  for (const Catalog::Entry& entry : catalog.entries()) {
    if (!entry.is_usable_probe()) continue;
    const std::string& id = entry.info().id;
    if (std::find(devices.begin(), devices.end(), id) != devices.end()) continue;
    devices.push_back(id);
    PluginRow& row = out.plugins.emplace_back(row_of(entry.info()));
    row.kind = kind_name(Kind::kDevice);
    ask(catalog, libtorch, row);
  }
  const auto order = [](const PluginRow& row) { return std::tie(row.kind, row.id, row.file); };
  std::stable_sort(out.plugins.begin(), out.plugins.end(),
                   [&](const PluginRow& a, const PluginRow& b) { return order(a) < order(b); });
  out.warnings = catalog.warnings();
  return out;
}

std::string render_text(const PluginReport& report, bool devices) {
  std::string out = "plugins\n";
  out += report.plugins.empty() ? "  none found\n" : plugin_table(report, devices);
  if (!report.refused.empty()) out += "\nrefused\n";
  for (const Inspection& refused : report.refused) out += refused_text(refused);
  if (!report.warnings.empty()) out += "\nwarnings\n";
  for (const std::string& warning : report.warnings) out.append("  ").append(warning).append("\n");
  return out;
}

std::string render_json(const PluginReport& report, bool devices) {
  Json plugins = Json::array(), refused = Json::array();
  for (const PluginRow& row : report.plugins) {
    Json item{{"id", row.id},     {"kind", row.kind},     {"version", row.version},
              {"file", row.file}, {"usable", row.usable}, {"reason", row.reason}};
    if (devices && row.kind == kind_name(Kind::kDevice)) item["devices"] = devices_json(row);
    if (devices && !row.links.empty()) item["links"] = row.links;
    plugins.push_back(std::move(item));
  }
  for (const Inspection& item : report.refused) {
    refused.push_back(Json{{"file", item.file}, {"reasons", item.reasons}});
  }
  return dump(Json{{"plugins", plugins}, {"refused", refused}});
}

}  // namespace trainhost::plugins
