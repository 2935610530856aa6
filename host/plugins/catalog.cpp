#include "host/plugins/catalog.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "host/plugins/places.h"
#include "trainhost/error.h"

namespace trainhost::plugins {
namespace {

namespace fs = std::filesystem;

bool is_path(const std::string& name) {
  return name.find('/') != std::string::npos || name.ends_with(".so");
}

std::string last_part(const std::string& id) { return id.substr(id.rfind('.') + 1); }

std::string files_of(const std::vector<const Catalog::Entry*>& entries) {
  std::string out;
  for (const Catalog::Entry* entry : entries) {
    out += (out.empty() ? "" : ", ") + entry->info().id + " in " + entry->inspection.file;
  }
  return out;
}

std::string quoted(Kind kind, const std::string& name) {
  return std::string(kind_name(kind)) + " '" + name + "'";
}

}  // namespace

SearchPath SearchPath::standard(std::vector<std::string> files) {
  SearchPath out{std::move(files), {}};
  if (const char* variable = std::getenv("TRAINHOST_PLUGIN_PATH")) {
    const std::string text = variable;
    for (std::size_t at = 0; at <= text.size();) {
      const std::size_t end = std::min(text.find(':', at), text.size());
      if (end > at) out.folders.push_back(text.substr(at, end - at));
      at = end + 1;
    }
  }
  out.folders.push_back(default_plugin_folder());
  return out;
}

Catalog::Catalog(const SearchPath& path) {
  for (const std::string& file : path.files) add(file, true);
  for (const std::string& folder : path.folders) scan_folder(folder);
}

void Catalog::scan_folder(const std::string& folder) {
  std::error_code error;
  std::vector<std::string> files;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    if (at->path().extension() == ".so") files.push_back(at->path().string());
  }
  if (error) warnings_.push_back("no plugins from " + folder + ": " + error.message());
  std::sort(files.begin(), files.end());
  for (const std::string& file : files) add(file, false);
}

const Catalog::Entry& Catalog::add(const std::string& file, bool named) {
  for (Entry& entry : entries_) {
    std::error_code error;
    if (entry.inspection.file != file && !fs::equivalent(entry.inspection.file, file, error)) {
      continue;
    }
    entry.named = entry.named || named;
    return entry;
  }
  return entries_.emplace_back(Entry{inspect(file), named});
}

std::vector<const Catalog::Entry*> Catalog::matches(Kind kind, const std::string& name,
                                                    bool usable) const {
  std::vector<const Entry*> exact, by_last_part;
  for (const Entry& entry : entries_) {
    const auto& note = entry.inspection.note;
    if (!note || note->is_probe || note->info.kind != kind) continue;
    if (entry.inspection.usable() != usable) continue;
    if (note->info.id == name) exact.push_back(&entry);
    if (last_part(note->info.id) == name) by_last_part.push_back(&entry);
  }
  return exact.empty() ? by_last_part : exact;
}

std::vector<const Catalog::Entry*> Catalog::same_id(const Entry& entry) const {
  return matches(entry.info().kind, entry.info().id, true);
}

const Catalog::Entry* Catalog::winner(const std::vector<const Entry*>& same) {
  if (same.size() == 1) return same.front();
  const auto named = [](const Entry* entry) { return entry->named; };
  if (std::count_if(same.begin(), same.end(), named) != 1) return nullptr;
  return *std::find_if(same.begin(), same.end(), named);
}

const PluginInfo* Catalog::find(Kind kind, const std::string& name, const std::string& where) {
  if (is_path(name)) return find_by_path(kind, name, where);
  const std::vector<const Entry*> usable = matches(kind, name, true);
  if (usable.empty()) {
    const std::vector<const Entry*> refused = matches(kind, name, false);
    if (refused.empty()) return nullptr;
    throw refusal(refused.front()->inspection, where, "cannot load " + quoted(kind, name));
  }
  const Entry* chosen = winner(usable);
  if (chosen == nullptr) {
    throw Error(Failure::kPlugin, {.where = where,
                                   .what = "more than one file has the " + quoted(kind, name),
                                   .got = files_of(usable),
                                   .fix = "name one of them by its path, or by --plugin FILE"});
  }
  warn_of_choice(*chosen);
  return &chosen->info();
}

const PluginInfo* Catalog::find_by_path(Kind kind, const std::string& path,
                                        const std::string& where) {
  const Entry& entry = add(path, true);
  const std::string what = "cannot load " + quoted(kind, path);
  if (!entry.inspection.usable()) throw refusal(entry.inspection, where, what);
  if (!entry.is_usable_plugin() || entry.info().kind != kind) {
    throw Error(Failure::kPlugin, {.where = where,
                                   .what = what,
                                   .expected = std::string("a ") + kind_name(kind) + " plugin",
                                   .got = kind_in_words(*entry.inspection.note) + ": '" +
                                          entry.info().id + "' " + entry.info().version});
  }
  warn_of_choice(entry);
  return &entry.info();
}

void Catalog::warn_of_choice(const Entry& chosen) {
  for (const Entry* other : same_id(chosen)) {
    if (other == &chosen) continue;
    std::string warning = quoted(chosen.info().kind, chosen.info().id) + " is taken from " +
                          chosen.inspection.file + ", which was named, and not from " +
                          other->inspection.file;
    const bool known = std::find(warnings_.begin(), warnings_.end(), warning) != warnings_.end();
    if (!known) warnings_.push_back(std::move(warning));
  }
}

std::vector<std::string> Catalog::known_ids(Kind kind) const {
  std::vector<std::string> out;
  for (const Entry& entry : entries_) {
    if (entry.is_usable_plugin() && entry.info().kind == kind) out.push_back(entry.info().id);
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

std::string Catalog::probe_file(const std::string& kind, const Entry* device,
                                std::string& why_not) const {
  if (device != nullptr && !device->info().probe.empty()) {
    const fs::path beside = fs::path(device->inspection.file).parent_path() / device->info().probe;
    const Inspection probe = inspect(beside.string());
    if (probe.usable() && probe.note->is_probe) return probe.file;
    why_not = "its probe " + probe.file + ": " +
              (probe.usable() ? "a plugin, not a probe" : probe.reasons.front());
    return "";
  }
  for (const Entry& entry : entries_) {
    if (!entry.is_usable_probe()) continue;
    const std::string& id = entry.info().id;
    if (id == kind || last_part(id) == kind) return entry.inspection.file;
  }
  why_not = device == nullptr ? "no '" + kind + "' device plugin is installed"
                              : "the '" + kind + "' device plugin has no probe";
  return "";
}

ProbeResult Catalog::probe_device(const std::string& kind, const std::string& libtorch) {
  const std::vector<const Entry*> devices = matches(Kind::kDevice, kind, true);
  const Entry* device = winner(devices);
  ProbeResult out{.kind = kind, .devices = {}, .why_not = ""};
  const std::string file = probe_file(kind, device, out.why_not);
  if (!file.empty()) out = run_probe(kind, file, libtorch);
  if (device != nullptr || out.devices.empty()) return out;
  // There is hardware that nothing here can drive: say what is wrong with the plugins.
  out.devices.clear();
  out.why_not = "no '" + kind + "' device plugin is installed";
  if (!devices.empty()) out.why_not = "more than one file has the device: " + files_of(devices);
  for (const Entry* refused : matches(Kind::kDevice, kind, false)) {
    out.why_not = refused->inspection.file + " is refused: " + refused->inspection.reasons.front();
  }
  return out;
}

void Catalog::require_named_files() const {
  for (const Entry& entry : entries_) {
    if (!entry.named || entry.inspection.usable()) continue;
    throw refusal(entry.inspection, "--plugin", "cannot load this plugin");
  }
}

}  // namespace trainhost::plugins
