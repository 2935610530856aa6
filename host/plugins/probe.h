// What a device's probe says (trainhost/device_probe.h).
//
// Threads and ranks: the command-line program's one thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace trainhost::plugins {

struct ProbedDevice {
  int index = 0;
  std::string name;
  std::int64_t memory_bytes = -1;  ///< -1: not known
};

/// Either there are devices, or `why_not` is the true first reason.
struct ProbeResult {
  std::string kind;  ///< "cpu", "cuda", …
  std::vector<ProbedDevice> devices;
  std::string why_not;
};

/// Loads the probe of device `kind` and asks it. `libtorch`: the folder with LibTorch's lib/, or
/// "". Throws Error (kPlugin) when it cannot be loaded or its answer is not of the agreed form.
ProbeResult ask_probe(const std::string& kind, const std::string& file,
                      const std::string& libtorch);

/// The same; a probe that fails is a reason why there are no devices.
ProbeResult run_probe(const std::string& kind, const std::string& file,
                      const std::string& libtorch);

/// Reads a probe's answer. Throws Error (kPlugin) when it is not of the agreed form.
ProbeResult parse_probe_answer(const std::string& kind, const std::string& file,
                               std::string_view json);

}  // namespace trainhost::plugins
