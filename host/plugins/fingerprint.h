// The comparison of a plugin's fingerprint with the host's (trainhost/fingerprint.h).
//
// Threads and ranks: pure functions, any thread.
#pragma once

#include <string>
#include <vector>

#include "host/plugins/note.h"

namespace trainhost::plugins {

/// One line of the comparison: a key in which the two builds differ.
struct Difference {
  std::string name;  ///< in words: "cxx11 abi"
  std::string plugin, host;
  bool must_match = false;  ///< otherwise a warning only
};

/// This host's own fingerprint. It does not include LibTorch: the version is that found by the
/// build.
Fingerprint host_fingerprint();

/// Every difference, those that must match first. "none" for libtorch or cuda on either side agrees
/// with anything; cuda counts by its major version.
std::vector<Difference> compare(const Fingerprint& plugin, const Fingerprint& host);

bool refuses(const std::vector<Difference>& differences);

/// One reason per difference that must match: "libtorch: the plugin has 2.5.1, this host 2.11.0".
std::vector<std::string> reasons(const std::vector<Difference>& differences);

/// The same for the differences that are a warning only.
std::vector<std::string> warnings(const std::vector<Difference>& differences);

/// The table of all differences, indented by two spaces, without a final newline.
std::string render_table(const std::vector<Difference>& differences);

/// What to do about a plugin of another build.
std::string rebuild_advice();

}  // namespace trainhost::plugins
