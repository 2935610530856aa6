#include "host/plugins/note.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "host/plugins/elf_file.h"
#include "trainhost/error.h"
#include "trainhost/note.h"

namespace trainhost::plugins {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMaxNoteText = 1u << 20;
constexpr std::size_t kMaxName = 128;
constexpr int kMaxDepth = 64;

[[noreturn]] void fail(const std::string& file, std::string what, std::string expected = "",
                       std::string got = "", std::string fix = "") {
  throw Error(Failure::kPlugin, {.where = file,
                                 .what = std::move(what),
                                 .expected = std::move(expected),
                                 .got = std::move(got),
                                 .fix = std::move(fix)});
}

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return c >= 0x20 && c != 0x7f; });
}

/// "kgat", "org.acme.zero9": dotted parts of letters, digits, '_' and '-'.
bool is_id(std::string_view text) {
  char before = '.';
  for (const char c : text) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || c == '_' || c == '-';
    if (!letter && (c != '.' || before == '.')) return false;
    before = c;
  }
  return !text.empty() && text.size() <= kMaxName && before != '.';
}

/// The fields of one JSON object of a note; every complaint names the field.
class Fields {
 public:
  Fields(const Json& object, std::string path, const std::string& file)
      : object_(object), path_(std::move(path)), file_(file) {
    if (!object.is_object()) wrong("", "a JSON object");
  }

  const Json* find(const char* key) const {
    const auto found = object_.find(key);
    return found == object_.end() ? nullptr : &*found;
  }
  const Json& at(const char* key) const {
    const Json* found = find(key);
    if (found == nullptr) fail(file_, "its note lacks " + name(key));
    return *found;
  }
  std::string text(const char* key) const { return as_text(at(key), key); }
  std::string text(const char* key, const char* preset) const {
    const Json* found = find(key);
    return found == nullptr ? preset : as_text(*found, key);
  }
  std::vector<std::string> texts(const char* key) const {
    std::vector<std::string> out;
    const Json* found = find(key);
    if (found == nullptr) return out;
    if (!found->is_array()) wrong(key, "a list of texts");
    for (const Json& item : *found) out.push_back(as_text(item, key));
    return out;
  }
  /// A list of objects as JSON text.
  std::string objects(const char* key) const {
    const Json* found = find(key);
    if (found == nullptr) return "[]";
    const bool good = found->is_array() && std::all_of(found->begin(), found->end(),
                                                       [](auto& item) { return item.is_object(); });
    if (!good) wrong(key, "a list of JSON objects");
    return found->dump();
  }
  [[noreturn]] void wrong(const char* key, const char* expected) const {
    fail(file_, "its note has a wrong " + name(key), expected);
  }

 private:
  std::string name(const char* key) const {
    const std::string full = path_.empty() || *key == '\0' ? path_ + key : path_ + "." + key;
    return full.empty() ? "top level" : "'" + full + "'";
  }
  std::string as_text(const Json& value, const char* key) const {
    if (!value.is_string()) wrong(key, "a text");
    const std::string& out = value.get_ref<const std::string&>();
    if (!is_printable(out)) wrong(key, "a text without control characters");
    return out;
  }

  const Json& object_;
  std::string path_;
  const std::string& file_;
};

Json parse_json(std::string_view text, const std::string& file) {
  // Whoever walks the document later does so by recursion.
  const auto bounded = [&file](int depth, Json::parse_event_t, Json&) {
    if (depth > kMaxDepth) fail(file, "its note is nested too deeply");
    return true;
  };
  try {
    return Json::parse(text, bounded);
  } catch (const Json::exception& error) {
    // A number beyond all doubles is no parse_error.
    const auto* mistake = dynamic_cast<const Json::parse_error*>(&error);
    fail(file, "its note is not JSON", "",
         mistake == nullptr ? "a number that is too large"
                            : "a mistake at byte " + std::to_string(mistake->byte),
         "stamp it by the macros of trainhost/plugin.h, with a valid `about`");
  }
}

Fingerprint parse_fingerprint(const Json& json, const std::string& file) {
  const Fields fields(json, "fingerprint", file);
  Fingerprint out;
  for (const auto& [key, value] : json.items()) out.emplace_back(key, fields.text(key.c_str()));
  return out;
}

Kind parse_kind(const std::string& kind, const std::string& file) {
  for (const Kind known : {Kind::kDevice, Kind::kStrategy, Kind::kModel}) {
    if (kind == kind_name(known)) return known;
  }
  fail(file, "its note has an unknown kind", "device, strategy, model or probe", "'" + kind + "'");
}

PluginInfo::Objective parse_objective(const Json& json, const std::string& file) {
  const Fields fields(json, "about.objectives", file);
  PluginInfo::Objective out;
  out.name = fields.text("name");
  if (!is_id(out.name)) fields.wrong("name", "letters, digits, '_' and '-'");
  out.batch_option = fields.text("batch_option", "");
  out.lr_option = fields.text("lr_option", "");
  if (const Json* factor = fields.find("batch_factor")) {
    const bool good = factor->is_number_integer() && *factor >= 1 && *factor <= 1000000;
    if (!good) fields.wrong("batch_factor", "an integer from 1 to 1000000");
    out.batch_factor = factor->get<long>();
  }
  return out;
}

std::vector<PluginInfo::Objective> parse_objectives(const Fields& about, const std::string& file) {
  std::vector<PluginInfo::Objective> out;
  const Json* list = about.find("objectives");
  if (list == nullptr) return out;
  if (!list->is_array()) about.wrong("objectives", "a list of JSON objects");
  for (const Json& item : *list) {
    out.push_back(parse_objective(item, file));
    const auto same = [&](const auto& other) { return other.name == out.back().name; };
    if (std::count_if(out.begin(), out.end(), same) > 1) {
      about.wrong("objectives", "a name for each objective that no other one has");
    }
  }
  return out;
}

void parse_precisions(const Fields& about, PluginInfo& info) {
  info.precisions = about.texts("precisions");
  for (const std::string& name : info.precisions) {
    if (name != "fp32" && name != "bf16" && name != "fp16") {
      about.wrong("precisions", "fp32, bf16 or fp16");
    }
  }
}

/// A folder in a form of others that the model opens.
void parse_folder(const Fields& about, PluginInfo& info) {
  const Json* folder = about.find("folder");
  if (folder == nullptr) return;
  const Fields fields(*folder, "about.folder", info.file);
  info.folder_files = fields.texts("files");
  info.folder_option = fields.text("option");
  const auto is_name = [](const std::string& file) {
    return !file.empty() && file.find('/') == std::string::npos;
  };
  if (info.folder_files.empty() || !std::ranges::all_of(info.folder_files, is_name)) {
    fields.wrong("files", "names of files, no paths");
  }
  if (!is_id(info.folder_option)) fields.wrong("option", "the name of a model option");
}

}  // namespace

const char* kind_name(Kind kind) {
  switch (kind) {
    case Kind::kDevice:
      return "device";
    case Kind::kStrategy:
      return "strategy";
    case Kind::kModel:
      return "model";
  }
  return "";
}

std::string note_text(const ByteSource& bytes, const std::string& file) {
  const ElfFile elf(bytes, file);
  std::vector<std::string> notes = elf.notes(kNoteName, kNoteType);
  if (notes.empty()) {
    if (elf.dynamic().is_program) fail(file, "not a shared object", "", "a program");
    fail(file, "not a plugin of trainhost: it has no note '" + std::string(kNoteSection) + "'", "",
         "",
         "register it by a macro of trainhost/plugin.h, and build it by trainhost_add_plugin()");
  }
  if (notes.size() > 1) {
    fail(file, "it has more than one note", "one plugin in one file",
         std::to_string(notes.size()) + " notes");
  }
  std::string& text = notes.front();
  text.resize(std::min(text.find('\0'), text.size()));
  if (text.size() > kMaxNoteText) {
    fail(file, "its note is too large", "at most 1 MiB", std::to_string(text.size()) + " bytes");
  }
  return std::move(text);
}

Note parse_note(std::string_view text, const std::string& file) {
  const Json json = parse_json(text, file);
  const Fields fields(json, "", file);
  const Json& format = fields.at("note");
  if (format != 1) {
    fail(file, "its note has another format", "1", format.dump().substr(0, kMaxName),
         "rebuild it against this SDK");
  }
  Note out;
  out.info.note = text;
  out.info.file = file;
  out.info.id = fields.text("id");
  if (!is_id(out.info.id)) fields.wrong("id", "dotted parts of letters, digits, '_' and '-'");
  out.info.version = fields.text("version");
  if (out.info.version.empty() || out.info.version.size() > kMaxName) {
    fields.wrong("version", "a text of 1 to 128 characters");
  }
  const std::string kind = fields.text("kind");
  out.is_probe = kind == "probe";
  if (!out.is_probe) out.info.kind = parse_kind(kind, file);
  out.fingerprint = parse_fingerprint(fields.at("fingerprint"), file);
  out.about = fields.at("about").dump();
  return out;
}

void parse_about(Note& note) {
  const std::string& file = note.info.file;
  const Json json = parse_json(note.about, file);
  const Fields about(json, "about", file);
  PluginInfo& info = note.info;
  info.summary = about.text("summary", "");
  info.options_json = about.objects("options");
  if (note.is_probe) return;
  if (info.kind == Kind::kStrategy) {
    const std::string ranks = about.text("ranks", "processes");
    if (ranks != "processes" && ranks != "threads") about.wrong("ranks", "processes or threads");
    info.ranks_are_threads = ranks == "threads";
    info.ranks_option = about.text("ranks_option", "");
    if (const Json* exact = about.find("exact")) {
      if (!exact->is_boolean()) about.wrong("exact", "true or false");
      info.exact = exact->get<bool>();
    }
  }
  if (info.kind == Kind::kDevice) {
    parse_precisions(about, info);
    info.probe = about.text("probe", "");
    if (info.probe.find('/') != std::string::npos) about.wrong("probe", "a file name, no path");
  }
  if (info.kind == Kind::kModel) {
    info.data_json = about.objects("data");
    info.objectives = parse_objectives(about, file);
    parse_folder(about, info);
    const std::string ranks = about.text("predict_ranks", "one");
    if (ranks != "one" && ranks != "all") about.wrong("predict_ranks", "one or all");
    info.predicts_on_all_ranks = ranks == "all";
  }
}

}  // namespace trainhost::plugins
