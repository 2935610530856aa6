// The device class of the CPU: cores and memory of this machine.
#pragma once

#include <memory>

#include "trainhost/device.h"

namespace cpu {

/// Purpose: trainhost::Device for ranks on one machine. Every index opens the same device, because
/// CPU ranks share the machine; the index numbers the ranks. Owner, threads and ranks: as
/// trainhost::Device says.
std::unique_ptr<trainhost::Device> make_device();

}  // namespace cpu
