// The kernels' table, run by emulation on memory of the CPU.
#pragma once

#include "gpu/kernels.h"

namespace kgat::testing {

const gpu::Table& emulated_table();

}  // namespace kgat::testing
