// Catalog: the plugins that a recipe can name.
//
// Purpose: scans the search path, reads every note, and answers questions of recipe, placement and
// `trainhost plugins`; one bad file never keeps the others from being found. Owner: the program;
// the PluginInfo it returns live as long as it does. Threads and ranks: the program's main thread.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "host/plugins/inspect.h"
#include "host/plugins/plugin_info.h"
#include "host/plugins/probe.h"

namespace trainhost::plugins {

struct SearchPath {
  std::vector<std::string> files;    ///< named one by one: --plugin FILE
  std::vector<std::string> folders;  ///< in the order they are looked through

  /// `files`, TRAINHOST_PLUGIN_PATH (folders separated by ':'), and the install's own folder.
  static SearchPath standard(std::vector<std::string> files);
};

class Catalog {
 public:
  explicit Catalog(const SearchPath& path);

  /// The plugin a recipe means by an id, by the last dotted part of it, or by a path (anything with
  /// '/' in it or ".so" at its end); nullptr when no file here has that id. Throws Error (kPlugin):
  /// the file that has the id is refused, two files have it, or the path is not such a plugin.
  /// `where` is the place in the recipe that asks.
  const PluginInfo* find(Kind kind, const std::string& name, const std::string& where = "");

  /// The ids of the usable plugins of a kind, sorted.
  std::vector<std::string> known_ids(Kind kind) const;

  /// Asks the probe of a device. Devices are given only where a plugin can use them: without a
  /// plugin or a probe, `why_not` says so.
  ProbeResult probe_device(const std::string& kind, const std::string& libtorch);

  /// Throws the refusal of the first file named by --plugin that was refused.
  void require_named_files() const;

  /// What the user should know of how plugins were chosen; grows with `find`.
  const std::vector<std::string>& warnings() const { return warnings_; }

  /// A file of the search path.
  struct Entry {
    Inspection inspection;
    bool named = false;  ///< by --plugin or by a path in the recipe

    const PluginInfo& info() const { return inspection.note->info; }
    bool is_usable_plugin() const { return inspection.usable() && !inspection.note->is_probe; }
    bool is_usable_probe() const { return inspection.usable() && inspection.note->is_probe; }
  };
  const std::deque<Entry>& entries() const { return entries_; }

  /// The usable plugins that share kind and id with this one, itself included.
  std::vector<const Entry*> same_id(const Entry& entry) const;
  /// The one of them that counts, or nullptr where a choice is needed.
  static const Entry* winner(const std::vector<const Entry*>& same);

 private:
  void scan_folder(const std::string& folder);
  const Entry& add(const std::string& file, bool named);
  const PluginInfo* find_by_path(Kind kind, const std::string& path, const std::string& where);
  std::vector<const Entry*> matches(Kind kind, const std::string& name, bool usable) const;
  void warn_of_choice(const Entry& chosen);
  /// The file to ask, or "" and the reason.
  std::string probe_file(const std::string& kind, const Entry* device, std::string& why_not) const;

  std::deque<Entry> entries_;  // a deque: pointers into it stay good
  std::vector<std::string> warnings_;
};

}  // namespace trainhost::plugins
