// The groups of checks, by what they need: a file each.
#pragma once

#include <vector>

#include "host/conformance/check.h"

namespace trainhost::conformance {

/// Every file: what can be read without loading it; then, of plugins, loading; of probes, asking.
std::vector<Check> file_checks(const Subject& subject);

/// Strategies. `equivalence`, `determinism` and `collectives`: the numbers are those of one
/// process.
std::vector<Check> equivalence_checks(const Subject& subject);
std::vector<Check> claims_checks(const Subject& subject);
std::vector<Check> checkpoint_checks(const Subject& subject);
std::vector<Check> failure_checks(const Subject& subject);
std::vector<Check> leak_checks(const Subject& subject);
/// The check without which others of a strategy would say nothing new: several ranks are right.
std::string base_of(const Subject& subject);

std::vector<Check> device_checks();
std::vector<Check> model_checks(const Subject& subject);

}  // namespace trainhost::conformance
