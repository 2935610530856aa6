// The probe against a driver that tells compute capabilities.
#include <dlfcn.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <string>

#include "trainhost/device_probe.h"

using Catch::Matchers::Contains;

namespace {

std::string ask(const char* capabilities, const std::string& libtorch = "") {
  static void* const driver = ::dlopen(TEST_DRIVER, RTLD_NOW | RTLD_GLOBAL);
  REQUIRE(driver != nullptr);
  ::setenv("FAKE_CAPABILITIES", capabilities, 1);
  void* const library = ::dlopen(TEST_PROBE, RTLD_NOW | RTLD_LOCAL);
  REQUIRE(library != nullptr);
  const auto probe =
      reinterpret_cast<trainhost::ProbeFunction>(::dlsym(library, trainhost::kProbeSymbol));
  REQUIRE(probe != nullptr);
  std::string text(4096, '\0');
  text.resize(probe(libtorch.c_str(), text.data(), text.size()));
  return text;
}

const std::string kWhole = std::string(TEST_FOLDERS) + "/whole/torch",
                  kLacking = std::string(TEST_FOLDERS) + "/lacking/torch";

}  // namespace

TEST_CASE("the probe tells each GPU's memory and compute capability") {
  CHECK(ask("75,90") ==
        R"({"devices": [{"index": 0, "name": "GPU A", "memory_bytes": 1073741824, )"
        R"("compute_capability": "7.5"}, {"index": 1, "name": "GPU B", )"
        R"("memory_bytes": 1073741824, "compute_capability": "9.0"}], "why_not": ""})");
}

TEST_CASE("GPUs that this LibTorch has no kernels for are left out, with the reason") {
  CHECK_THAT(ask("70,90", kWhole), Contains(R"("index": 1)") && !Contains("GPU A"));
  CHECK_THAT(ask("70", kWhole), Contains("GPU A is too old: it has compute capability 7.0, "
                                         "this LibTorch needs 7.5 or later"));
}

TEST_CASE("a LibTorch without a library of its CUDA half is told, after what the GPU lacks") {
  CHECK_THAT(ask("90", kWhole), Contains("GPU A"));
  const bool in_the_system = ::dlopen("libcudart.so.13", RTLD_LAZY) != nullptr;
  if (!in_the_system) {
    CHECK_THAT(ask("90", kLacking), Contains("lacks a library of its CUDA half: libcudart.so.13") &&
                                        Contains("TRAINHOST_LIBTORCH"));
  }
  CHECK_THAT(ask("70", kLacking), Contains("too old"));
}
