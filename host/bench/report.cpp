#include "host/bench/report.h"

#include <algorithm>

#include "host/bench/out_folder.h"

namespace trainhost::bench {
namespace {

/// Name of the column, path into a run.
constexpr std::pair<const char*, const char*> kColumns[] = {
    {"label", "label"},
    {"repeat", "repeat"},
    {"warmup", "warmup"},
    {"outcome", "outcome"},
    {"exit_code", "exit_code"},
    {"reason", "reason"},
    {"reused", "reused"},
    {"load_before", "load_before"},
    {"wall_seconds", "wall_seconds"},
    {"samples_per_s", "samples_per_s"},
    {"step_ms_median", "step_ms.median"},
    {"step_ms_p95", "step_ms.p95"},
    {"steps", "steps"},
    {"epochs", "epochs"},
    {"train_seconds", "seconds.train"},
    {"total_seconds", "seconds.total"},
    {"peak_memory_mb", "peak_memory_mb"},
    {"claimed_bytes", "claims.sum"},
    {"sent_bytes_per_step", "sent_bytes_per_step"},
    {"claimed_sent_bytes_per_step", "claims.sent_bytes_per_step"},
    {"strategy", "strategy"},
    {"model", "model"},
    {"device", "device"},
    {"ranks", "ranks"},
    {"precision", "precision"},
    {"watched", "watched"},
    {"command", "command"},
    {"log", "log"}};

std::string field(const Json& value) {
  std::string text;
  if (value.is_string()) {
    text = value.get<std::string>();
  } else if (value.is_array()) {
    for (const Json& item : value) {
      text +=
          (text.empty() ? "" : " ") + (item.is_string() ? item.get<std::string>() : item.dump());
    }
  } else if (!value.is_null()) {
    text = value.dump();
  }
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char letter : text)
    quoted += letter == '"' ? std::string("\"\"") : std::string(1, letter);
  return quoted + "\"";
}

std::vector<std::string> metrics_of(const Json& runs) {
  std::vector<std::string> out;
  for (const Json& run : runs) {
    const Json final = at_path(run, "final");
    if (!final.is_object()) continue;
    for (const auto& [name, value] : final.items()) {
      if (std::ranges::find(out, name) == out.end()) out.push_back(name);
    }
  }
  return out;
}

}  // namespace

std::string csv_text(const Json& runs) {
  const std::vector<std::string> metrics = metrics_of(runs);
  std::string out;
  for (const auto& [name, path] : kColumns) out += (out.empty() ? "" : ",") + std::string(name);
  for (const std::string& metric : metrics) out += "," + field("final." + metric);
  out += "\n";
  for (const Json& run : runs) {
    std::string line;
    for (const auto& [name, path] : kColumns) {
      line += (path == kColumns[0].second ? "" : ",") + field(at_path(run, path));
    }
    const Json final = at_path(run, "final");
    for (const std::string& metric : metrics) {
      line += "," + (final.is_object() && final.contains(metric) ? field(final[metric]) : "");
    }
    out += line + "\n";
  }
  return out;
}

Report::Report(Files files, Json facts) : files_(std::move(files)), facts_(std::move(facts)) {}

void Report::add_run(const Json& run) { runs_.push_back(run); }
void Report::add_case(const Json& result) { cases_.push_back(result); }

std::size_t Report::failed() const {
  return static_cast<std::size_t>(std::ranges::count_if(
      runs_, [](const Json& run) { return at_path(run, "outcome") != "done"; }));
}

std::string Report::log_of_failure() const {
  for (const Json& run : runs_) {
    if (at_path(run, "outcome") != "done") return run.value("log", "");
  }
  return {};
}

std::size_t Report::reused() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(runs_, [](const Json& run) { return run.value("reused", false); }));
}

void Report::write() const {
  Json all = facts_;
  all["cases"] = cases_;
  all["runs"] = runs_;
  const std::string json = dump(all) + "\n", csv = csv_text(runs_);
  for (const std::string& file : files_.json) write_whole(file, json);
  for (const std::string& file : files_.csv) write_whole(file, csv);
}

}  // namespace trainhost::bench
