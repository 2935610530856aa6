// The sensors of a GPU, from a stand-in of the driver's management library.
#include "cuda/nvml.h"

#include <dlfcn.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>

namespace {

/// Loaded once: what asks for libnvidia-ml.so.1 gets this one. `kind`: see fake_sensors.cpp.
void* library(const char* kind) {
  static void* const loaded = ::dlopen(TEST_SENSORS, RTLD_NOW | RTLD_GLOBAL);
  REQUIRE(loaded != nullptr);
  ::setenv("FAKE_NVML", kind, 1);
  return loaded;
}

}  // namespace

TEST_CASE("utilisation, power and temperature come in the units of the log") {
  library("");
  const cuda::Nvml nvml("0000:65:00.0");
  CHECK(nvml.utilisation() == Approx(0.93));
  CHECK(nvml.gauges().power_watts == Approx(412.5));
  CHECK(nvml.gauges().temperature_celsius == 61);
}

TEST_CASE("what a GPU has no sensor for is not known") {
  library("old");
  const cuda::Nvml nvml("0000:65:00.0");
  CHECK(std::isnan(nvml.gauges().power_watts));
  CHECK(nvml.gauges().temperature_celsius == 61);
}

TEST_CASE("without such a GPU, or a library that starts, nothing is known") {
  for (const char* kind : {"", "broken"}) {
    library(kind);
    const cuda::Nvml nvml(kind[0] == '\0' ? "0000:01:00.0" : "0000:65:00.0");
    CHECK(std::isnan(nvml.utilisation()));
    CHECK(std::isnan(nvml.gauges().power_watts));
    CHECK(std::isnan(nvml.gauges().temperature_celsius));
  }
}

TEST_CASE("the library is given back as often as it was started") {
  const auto handles = reinterpret_cast<int (*)()>(::dlsym(library(""), "fake_open_handles"));
  REQUIRE(handles != nullptr);
  {
    const cuda::Nvml one("0000:65:00.0"), other("0000:01:00.0");
    CHECK(handles() == 2);
  }
  CHECK(handles() == 0);
}
