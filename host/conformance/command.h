// `trainhost check-plugin`, from what is to be checked to output and exit code.
//
// Threads and ranks: the command-line program's one thread; it forks.
#pragma once

#include <ostream>
#include <string>

#include "host/conformance/check.h"

namespace trainhost::conformance {

struct Request {
  std::string file;
  bool json = false;
  bool list = false;  ///< names the checks instead of running them
  Settings settings;
};

/// The result to `out`, progress to `err`. 0 when the plugin conforms, 3 when it does not.
int run_check_plugin(const Request& request, std::ostream& out, std::ostream& err);

}  // namespace trainhost::conformance
