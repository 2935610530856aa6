// The opening phase of ranks: from the device's plugin to the point where the ranks have met.
//
// Purpose: ranks say in the control page that they are in it, so that the parent can tell a device
// that did not open (the run may go on with another one) from one that failed in training. Threads:
// pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "host/launch/supervise.h"

namespace trainhost::launch {

/// What a rank says before it opens the device of this index.
std::string opening_device(int index);
/// What a rank says before it joins the group of all ranks.
inline constexpr std::string_view kConnectingDevices = "connecting the devices";

struct FailedOpening {
  int device = -1;     ///< that did not open; -1: the devices opened, and could not be connected
  std::string reason;  ///< one line
};

/// What kept the devices of a run from being opened; nothing where it ended in another way, or for
/// another reason than a device (Failure::kDevice).
std::optional<FailedOpening> failed_opening(const Ending& ending);

}  // namespace trainhost::launch
