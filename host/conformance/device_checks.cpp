#include "host/conformance/groups.h"

namespace trainhost::conformance {
std::vector<Check> device_checks() { return {}; }
}  // namespace trainhost::conformance
