#include "host/plugins/inspect.h"

#include <filesystem>

namespace trainhost::plugins {
namespace {

/// Runs a step of the inspection; an Error becomes a reason.
template <class Step>
bool attempt(Inspection& inspection, Step step) {
  try {
    step();
    return true;
  } catch (const Error& error) {
    if (inspection.fix.empty()) inspection.fix = error.text().fix;
    inspection.reasons.push_back(one_line(error));
    return false;
  }
}

std::string indented_list(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) out += "\n  - " + line;
  return out;
}

}  // namespace

std::string one_line(const Error& error) {
  const Error::Text& text = error.text();
  std::string out = text.what;
  if (!text.expected.empty()) out += ": expected " + text.expected;
  if (!text.got.empty()) out += (text.expected.empty() ? ": " : ", got ") + text.got;
  return out;
}

std::string kind_in_words(const Note& note) {
  if (note.is_probe) return "the probe of a device";
  return note.info.kind == Kind::kDevice ? "a device plugin"
                                         : std::string("a ") + kind_name(note.info.kind);
}

Inspection inspect(const std::string& file) {
  Inspection out;
  std::error_code error;
  out.file = std::filesystem::absolute(file, error).lexically_normal().string();
  if (error || file.empty()) out.file = file;
  const bool readable = attempt(out, [&] {
    const FileSource bytes(out.file);
    out.note = parse_note(note_text(bytes, out.file), out.file);
  });
  if (!readable) return out;
  out.differences = compare(out.note->fingerprint, host_fingerprint());
  if (refuses(out.differences)) {
    out.reasons = reasons(out.differences);
    out.fix = rebuild_advice();
  }
  out.note->info.warnings = warnings(out.differences);
  attempt(out, [&] { parse_about(*out.note); });
  return out;
}

Error refusal(const Inspection& inspection, std::string where, std::string what) {
  what += "\n  plugin  " + inspection.file;
  if (inspection.note) {
    const PluginInfo& info = inspection.note->info;
    what.append(" (").append(info.id).append(" ").append(info.version).append(")");
  }
  std::vector<std::string> others = inspection.reasons;
  if (refuses(inspection.differences)) {
    what.append("\n").append(render_table(inspection.differences));
    others.erase(others.begin(),
                 others.begin() + static_cast<long>(reasons(inspection.differences).size()));
  }
  what += indented_list(others);
  return Error(Failure::kPlugin,
               {.where = std::move(where), .what = std::move(what), .fix = inspection.fix});
}

PluginInfo read_plugin(const std::string& file) {
  Inspection inspection = inspect(file);
  if (inspection.usable() && inspection.note->is_probe) {
    inspection.reasons.push_back("this is the probe of a device, not a plugin");
  }
  if (!inspection.usable()) throw refusal(inspection, "", "cannot load this file");
  return inspection.note->info;
}

}  // namespace trainhost::plugins
