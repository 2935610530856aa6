#include "host/conformance/command.h"

#include <cstdio>
#include <iostream>

#include "host/cli/commands.h"
#include "host/cli/installed_files.h"
#include "host/conformance/report.h"
#include "host/recipe/text.h"

namespace trainhost::conformance {
namespace {

std::string seconds_text(double seconds) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.1f s", seconds);
  return text;
}

}  // namespace

int run_check_plugin(const Request& request, std::ostream& out, std::ostream& err) {
  const Subject subject = subject_of(request.file, request.settings);
  if (request.list) {
    out << render_list(checks_for(subject));
    return 0;
  }
  const auto progress = [&](std::size_t index, std::size_t count, const Check& check,
                            const CheckResult* result) {
    if (result == nullptr) {
      err << "[" << index + 1 << "/" << count << "] " << check.name << std::flush;
    } else {
      err << "  " << plugins::outcome_name(result->outcome) << "  " << seconds_text(result->seconds)
          << std::endl;
    }
  };
  const auto results = check_plugin(request.file, request.settings, progress);
  out << (request.json ? render_json(subject, results) : render_text(subject, results));
  return conforms(results) ? 0 : static_cast<int>(Failure::kPlugin);
}

}  // namespace trainhost::conformance

namespace trainhost::cli {

int check_plugin_command(const CheckPluginArguments& arguments) {
  conformance::Request request{
      .file = arguments.file, .json = arguments.json, .list = arguments.list, .settings = {}};
  conformance::Settings& settings = request.settings;
  settings.only = arguments.only;
  settings.quick = arguments.quick;
  settings.seed = arguments.seed;
  settings.worlds.assign(arguments.worlds.begin(), arguments.worlds.end());
  settings.device = arguments.device;
  settings.overrides = arguments.overrides;
  if (const auto libtorch = libtorch_if_any(settings.why_no_rank)) {
    settings.rank_program = rank_program();
    settings.library_path = recipe::join(libtorch->library_path, ":");
    settings.libtorch = libtorch->folder;
  }
  return conformance::run_check_plugin(request, std::cout, std::cerr);
}

}  // namespace trainhost::cli
