// How the NVIDIA GPUs of this machine are linked to each other, as NVML says.
//
// Threads: loads libnvidia-ml.so.1 (the driver's) and unloads it again; one at a time.
#pragma once

#include <string>
#include <vector>

namespace trainhost::cli {

struct DeviceLink {
  int first = 0, second = 0;  ///< NVML's numbers: all GPUs, in the order of the bus
  std::string text{};         ///< "NVLink (18 links)", "PCIe through one switch"
};

/// Every pair of GPUs; empty, with the reason, where NVML cannot be asked.
std::vector<DeviceLink> nvml_links(std::string& why_not);

/// "0–1, 2–3: NVLink (4 links a GPU); …" for each way, "all pairs: …" where there is one way only.
std::string links_text(const std::vector<DeviceLink>& links);

}  // namespace trainhost::cli
