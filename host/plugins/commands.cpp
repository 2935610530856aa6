#include "host/plugins/commands.h"

#include <algorithm>

#include "host/plugins/catalog.h"
#include "host/plugins/report.h"
#include "trainhost/error.h"

namespace trainhost::plugins {

int run_plugins_command(const PluginsArguments& arguments, std::ostream& out) {
  Catalog catalog(SearchPath::standard(arguments.files));
  PluginReport report = report_plugins(catalog, arguments.libtorch);
  for (PluginRow& row : report.plugins) {
    const bool several = arguments.devices && row.devices.size() > 1;
    if (several && arguments.links) row.links = arguments.links(row.id);
  }
  out << (arguments.json ? render_json(report, arguments.devices)
                         : render_text(report, arguments.devices));
  const auto& entries = catalog.entries();
  const bool named_one_refused = std::any_of(entries.begin(), entries.end(), [](auto& entry) {
    return entry.named && !entry.inspection.usable();
  });
  return named_one_refused ? static_cast<int>(Failure::kPlugin) : 0;
}

}  // namespace trainhost::plugins
