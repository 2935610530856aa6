// Nvml: the sensors of a GPU, as the driver's management library tells them (libnvidia-ml.so.1, by
// dlopen).
//
// Purpose: utilisation, power and temperature in the log. Owner: a session. Threads and ranks: one
// thread at a time.
#pragma once

#include <string>

#include "trainhost/device.h"

namespace cuda {

class Nvml {
 public:
  /// `bus_id`: of the GPU, as cudaDeviceGetPCIBusId writes it: indices differ between the two
  /// libraries where CUDA_VISIBLE_DEVICES is set.
  explicit Nvml(const std::string& bus_id);
  ~Nvml();
  Nvml(const Nvml&) = delete;
  Nvml& operator=(const Nvml&) = delete;

  /// The share of the driver's last sample period (some hundred ms) in which a kernel ran, 0 to 1;
  /// NaN where the driver does not tell.
  double utilisation() const;
  /// Of the whole board, now; NaN where it has no such sensor.
  trainhost::Gauges gauges() const;

 private:
  struct Rates {
    unsigned gpu, memory;  // nvmlUtilization_t, percent
  };
  void* library_ = nullptr;
  void* device_ = nullptr;  // nvmlDevice_t
  int (*rates_)(void*, Rates*) = nullptr;
  int (*power_)(void*, unsigned*) = nullptr;             // milliwatts
  int (*temperature_)(void*, int, unsigned*) = nullptr;  // of a sensor, degrees Celsius
  int (*shutdown_)() = nullptr;
};

}  // namespace cuda
