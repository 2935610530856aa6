// The cuda device for the host.
#pragma once

#include <memory>

#include "trainhost/device.h"
#include "trainhost/host.h"

namespace cuda {

/// Throws nothing: what is wrong with the machine is said when a device is opened.
std::unique_ptr<trainhost::Device> make_device(trainhost::Host& host);

}  // namespace cuda
