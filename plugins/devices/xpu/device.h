// The device class of Intel GPUs.
#pragma once

#include "trainhost/accelerator.h"
#include "trainhost/host.h"

namespace xpu {

/// Purpose: trainhost::AcceleratorDevice for ATen's XPU. Making it loads LibTorch's XPU half, so it
/// has to be made before the process's first call of LibTorch, whose hooks are looked up once.
/// Errors: Failure::kDevice where that half is not there or does not load. Owner, threads and
/// ranks: as trainhost::Device says.
class XpuDevice final : public trainhost::AcceleratorDevice {
 public:
  explicit XpuDevice(trainhost::Host& host);
};

}  // namespace xpu
