// What `trainhost plugins` shows, as text and as JSON.
//
// Threads and ranks: the command-line program's one thread.
#pragma once

#include <string>
#include <vector>

#include "host/plugins/catalog.h"

namespace trainhost::plugins {

/// Columns as wide as their widest cell; the last one is not padded.
std::string table(const std::vector<std::vector<std::string>>& rows, const std::string& indent);

/// A line of `trainhost plugins`.
struct PluginRow {
  std::string id, kind, version, file;
  bool usable = false;
  std::string reason;                 ///< why not; "" where it is
  std::vector<std::string> notes;     ///< worth knowing, though it is usable
  std::vector<ProbedDevice> devices;  ///< of a device
  std::string links{};                ///< how its devices are linked to each other, where known
};

struct PluginReport {
  std::vector<PluginRow> plugins;
  std::vector<Inspection> refused;
  std::vector<std::string> warnings;
};

/// Asks every device's probe; a device that is known by its probe alone has a row too.
PluginReport report_plugins(Catalog& catalog, const std::string& libtorch);

/// A table, the refused files with every reason, the warnings; `devices`: each device on its line.
std::string render_text(const PluginReport& report, bool devices);

/// {"plugins": [{"id", "kind", "version", "file", "usable", "reason"}],
///  "refused": [{"file", "reasons": […]}]}; with `devices`, a device's row has "devices" too:
/// [{"index", "name", "memory_bytes"}], and "links" where they are known.
std::string render_json(const PluginReport& report, bool devices);

}  // namespace trainhost::plugins
