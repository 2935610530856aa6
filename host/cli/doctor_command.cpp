#include <unistd.h>

#include <iostream>

#include "host/cli/commands.h"
#include "host/cli/doctor.h"
#include "host/cli/run_audience.h"

namespace trainhost::cli {
namespace {

constexpr std::size_t kPipeWidth = 100;

}  // namespace

int doctor_command(const DoctorArguments& arguments) {
  plugins::Catalog catalog(plugins::SearchPath::standard(arguments.plugins));
  const Surroundings here{.environment = launch::current_environment()};
  const Diagnosis diagnosis = examine(here, catalog);
  if (arguments.json) {
    std::cout << render_json(diagnosis);
  } else {
    const bool terminal = isatty(STDOUT_FILENO) == 1;
    const telemetry::Screen screen = process_screen();
    std::cout << render_text(diagnosis, terminal ? screen.width : kPipeWidth,
                             terminal && screen.color);
  }
  return diagnosis.can_train() ? 0 : static_cast<int>(Failure::kDevice);
}

}  // namespace trainhost::cli
