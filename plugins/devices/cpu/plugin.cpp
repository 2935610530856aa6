// The cpu device's note and registration.
#include "trainhost/plugin.h"

#include "device.h"

TRAINHOST_PLUGIN_("device", trainhost::PluginKind::kDevice, trainhost::Device, "cpu", "0.1.0", R"({
  "summary": "this machine's processors; ranks reduce over shared memory in rank order",
  "precisions": ["fp32", "bf16", "fp16"], "probe": "cpu_probe.so"})",
                  cpu::make_device().release())
