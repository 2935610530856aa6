// The cuda device's note and registration.
#include "trainhost/plugin.h"

#include <cuda_runtime_api.h>  // the note tells the CUDA it was built with

#include "cuda/device.h"
#include "trainhost/device.h"

TRAINHOST_PLUGIN_("device", trainhost::PluginKind::kDevice, trainhost::Device, "cuda", "0.1.0", R"({
  "summary": "NVIDIA GPUs; processes reduce with NCCL, threads by copies in rank order",
  "precisions": ["fp32", "bf16", "fp16"], "probe": "cuda_probe.so"})",
                  cuda::make_device(host).release())
