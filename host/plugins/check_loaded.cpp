#include "host/plugins/check_loaded.h"

#include "host/plugins/check_result.h"
#include "host/plugins/inspect.h"
#include "host/plugins/load.h"
#include "host/plugins/shared_object.h"

namespace trainhost::plugins {

std::string check_loaded(const std::string& file, const std::string& name) {
  return result_line([&]() -> std::string {
    const PluginInfo info = read_plugin(file);
    if (name == "load") {
      require_one_libtorch(info.file);
      const SharedObject object(info.file);
      return "";
    }
    if (name == "descriptor") {
      load(info);
      return "";
    }
    throw Error(Failure::kUser, {.where = "--check-plugin",
                                 .what = "no such check",
                                 .expected = "load or descriptor",
                                 .got = name});
  });
}

}  // namespace trainhost::plugins
