// The xpu device's note and registration.
#include "trainhost/plugin.h"

#include "xpu/device.h"

TRAINHOST_DEVICE_PLUGIN(xpu::XpuDevice, "xpu", "0.1.0", R"({
  "summary": "Intel GPUs; ranks reduce through the memory of the host, in rank order",
  "precisions": ["fp32", "bf16", "fp16"], "probe": "xpu_probe.so"})")
