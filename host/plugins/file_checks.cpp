#include "host/plugins/file_checks.h"

#include <algorithm>
#include <chrono>

#include "host/plugins/byte_source.h"
#include "host/plugins/elf_file.h"
#include "host/plugins/inspect.h"
#include "host/recipe/schema.h"
#include "trainhost/device_probe.h"
#include "trainhost/plugin.h"

namespace trainhost::plugins {
namespace {

[[noreturn]] void fail(const std::string& file, std::string what, std::string expected = "",
                       std::string got = "") {
  throw Error(Failure::kPlugin, {.where = file,
                                 .what = std::move(what),
                                 .expected = std::move(expected),
                                 .got = std::move(got)});
}

std::string joined(const std::vector<std::string>& items, const char* separator = ", ") {
  std::string out;
  for (const std::string& item : items) out += (out.empty() ? "" : separator) + item;
  return out;
}

Note read_note(const std::string& file) {
  const FileSource bytes(file);
  return parse_note(note_text(bytes, file), file);
}

DynamicInfo read_dynamic(const std::string& file) {
  const FileSource bytes(file);
  return ElfFile(bytes, file).dynamic();
}

std::string counted(std::size_t count, const std::string& noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

/// What an objective says of the model's options must be true of them.
void check_objective_option(const std::string& file, const recipe::Schema& schema,
                            const std::string& objective, const std::string& name,
                            recipe::OptionType type) {
  if (name.empty()) return;
  const auto found = std::find_if(schema.begin(), schema.end(), [&](const recipe::Option& option) {
    return option.name == name;
  });
  const std::string what = "objective '" + objective + "' names the option '" + name + "'";
  if (found == schema.end()) fail(file, what + ", which the model does not have");
  if (found->type != type) {
    fail(file, what + ", which is of another type", recipe::type_name(type),
         recipe::type_name(found->type));
  }
}

std::vector<std::string> parts(const std::string& path) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find(':', at), path.size());
    out.push_back(path.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

bool is_libtorch(const std::string& name) {
  return name.starts_with("libtorch") || name.starts_with("libc10");
}

}  // namespace

bool is_probe(const std::string& file) {
  const Inspection inspection = inspect(file);
  return inspection.note && inspection.note->is_probe;
}

std::string check_readable(const std::string& file) {
  const FileSource bytes(file);
  return std::to_string(bytes.size()) + " bytes";
}

std::string check_elf(const std::string& file) {
  if (read_dynamic(file).is_program) fail(file, "not a shared object", "", "a program");
  return "";
}

std::string check_note(const std::string& file) {
  const Note note = read_note(file);
  return kind_in_words(note) + ": '" + note.info.id + "' " + note.info.version;
}

std::string check_schema(const std::string& file) {
  Note note = read_note(file);
  parse_about(note);
  const std::string origin = "plugin '" + note.info.id + "'";
  const recipe::Schema options = recipe::schema_from_json(note.info.options_json, origin);
  const recipe::Schema data = recipe::schema_from_json(note.info.data_json, origin + ", data");
  for (const PluginInfo::Objective& objective : note.info.objectives) {
    check_objective_option(file, options, objective.name, objective.batch_option,
                           recipe::OptionType::kInt);
    check_objective_option(file, options, objective.name, objective.lr_option,
                           recipe::OptionType::kNumber);
  }
  return counted(options.size() + data.size(), "option");
}

std::string check_fingerprint(const std::string& file) {
  const auto differences = compare(read_note(file).fingerprint, host_fingerprint());
  if (refuses(differences)) {
    throw Error(
        Failure::kPlugin,
        {.where = file, .what = joined(reasons(differences), "; "), .fix = rebuild_advice()});
  }
  return joined(warnings(differences), "; ");
}

std::string check_symbols(const std::string& file) {
  const FileSource bytes(file);
  std::vector<std::string> symbols = ElfFile(bytes, file).exported_symbols();
  const std::string wanted = is_probe(file) ? kProbeSymbol : kPluginSymbol;
  if (symbols.size() == 1 && symbols.front() == wanted) return "";
  const std::size_t count = symbols.size();
  if (count > 3) symbols.resize(3);
  fail(file, "it exports other symbols than its entry", wanted + " alone",
       count == 0 ? "nothing" : counted(count, "symbol") + ": " + joined(symbols));
}

std::string check_needed(const std::string& file) {
  const bool probe = is_probe(file);
  const DynamicInfo dynamic = read_dynamic(file);
  for (const std::string& needed : dynamic.needed) {
    if (needed.find('/') != std::string::npos) {
      fail(file, "it needs a library by a path of the machine that built it", "a bare name",
           needed);
    }
    if (needed.starts_with("libtorch_python") || needed.starts_with("libpython")) {
      fail(file, "it needs Python, which the host does not load", "", needed);
    }
    if (probe && is_libtorch(needed)) fail(file, "a probe needs no LibTorch", "", needed);
  }
  return joined(dynamic.needed);
}

std::string check_runpath(const std::string& file) {
  const DynamicInfo dynamic = read_dynamic(file);
  if (!dynamic.rpath.empty() && dynamic.runpath.empty()) {
    fail(file, "it has an RPATH, which outranks the host's choice of LibTorch", "a RUNPATH",
         dynamic.rpath);
  }
  if (dynamic.runpath.empty()) return "none";
  for (const std::string& folder : parts(dynamic.runpath)) {
    if (folder.starts_with("$ORIGIN") || folder.starts_with("${ORIGIN}")) continue;
    fail(file, "its RUNPATH has a folder of the machine that built it", "$ORIGIN",
         folder.empty() ? "the working directory" : folder);
  }
  return dynamic.runpath;
}

std::string check_scan(const std::string& file) {
  constexpr double kLimitMs = 100;
  const auto start = std::chrono::steady_clock::now();
  inspect(file);
  const std::chrono::duration<double, std::milli> taken = std::chrono::steady_clock::now() - start;
  const std::string ms = std::to_string(taken.count()).substr(0, 5) + " ms";
  if (taken.count() > kLimitMs) fail(file, "its note takes too long to read", "at most 100 ms", ms);
  return ms;
}

}  // namespace trainhost::plugins
