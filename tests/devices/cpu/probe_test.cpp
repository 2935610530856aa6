// The probes, loaded as the command-line program loads them. The CUDA driver is a stand-in: loaded
// first, it is what dlopen("libcuda.so.1") finds.
#include <dlfcn.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "trainhost/device_probe.h"

using Catch::Matchers::Contains;

namespace {

std::string ask(const std::string& kind, const std::string& libtorch) {
  const std::string file = std::string(TEST_PROBES) + "/" + kind + "_probe.so";
  void* const library = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  INFO(file);
  REQUIRE(library != nullptr);
  const auto probe =
      reinterpret_cast<trainhost::ProbeFunction>(::dlsym(library, trainhost::kProbeSymbol));
  REQUIRE(probe != nullptr);
  CHECK(probe(libtorch.c_str(), nullptr, 0) == 0);
  std::string text(4096, '\0');
  text.resize(probe(libtorch.c_str(), text.data(), text.size()));
  return text;
}

std::string ask_cuda(const std::string& fake, const std::string& libtorch = "") {
  static void* const driver = ::dlopen(TEST_CUDA_DRIVER, RTLD_NOW | RTLD_GLOBAL);
  REQUIRE(driver != nullptr);
  ::setenv("FAKE_CUDA", fake.c_str(), 1);
  return ask("cuda", libtorch);
}

}  // namespace

TEST_CASE("the cpu probe finds one device with cores and memory") {
  const std::string answer = ask("cpu", "");
  CHECK_THAT(answer, Contains(R"({"devices": [{"index": 0, "name": ")"));
  CHECK_THAT(answer, Contains(R"("cores": )"));
  CHECK_THAT(answer, !Contains(R"("memory_bytes": -1)"));
  CHECK_THAT(answer, Contains(R"("why_not": ""})"));
}

TEST_CASE("the cuda probe lists GPUs by name and memory, with a text that is valid JSON") {
  CHECK(ask_cuda("0,2,13000") ==
        R"({"devices": [{"index": 0, "name": "Fake  T40 ", "memory_bytes": 42949672960}, )"
        R"({"index": 1, "name": "Fake  T41 ", "memory_bytes": 44023414784}], "why_not": ""})");
}

TEST_CASE("the cuda probe says why there is no GPU") {
  ::unsetenv("CUDA_VISIBLE_DEVICES");
  CHECK_THAT(ask_cuda("100,0,13000"), Contains("the NVIDIA driver finds no GPU"));
  CHECK_THAT(ask_cuda("0,0,13000"), Contains("the NVIDIA driver finds no GPU"));
  ::setenv("CUDA_VISIBLE_DEVICES", "7", 1);
  CHECK_THAT(ask_cuda("100,0,13000"), Contains("no GPU is visible (CUDA_VISIBLE_DEVICES=7)"));
  ::unsetenv("CUDA_VISIBLE_DEVICES");
  CHECK_THAT(ask_cuda("803,0,13000"), Contains("of different versions"));
  CHECK_THAT(ask_cuda("999,0,13000"), Contains("CUDA_ERROR_UNKNOWN"));
  CHECK_THAT(ask_cuda("5,0,13000"), Contains("error 5"));
}

TEST_CASE("the cuda probe compares the driver with the LibTorch at hand") {
  CHECK_THAT(ask_cuda("0,1,13000", "/nowhere"), Contains("this LibTorch has no CUDA"));
  if (std::filesystem::exists(std::string(TEST_LIBTORCH) + "/lib/libtorch_cuda.so")) {
    CHECK_THAT(ask_cuda("0,1,9020", TEST_LIBTORCH), Contains("too old: it serves CUDA 9.2"));
    // Where LibTorch was fetched without the libraries of its CUDA half, the probe says that.
    CHECK_THAT(ask_cuda("0,1,990000", TEST_LIBTORCH),
               Contains("Fake") || Contains("lacks a library of its CUDA half"));
  }
}

TEST_CASE("a libtorch_cuda.so that is no shared object is not held against the driver") {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("probe." + std::to_string(::getpid()));
  std::filesystem::create_directories(folder / "lib");
  std::ofstream(folder / "lib/libtorch_cuda.so") << "not an ELF file";
  CHECK_THAT(ask_cuda("0,1,9020", folder.string()), Contains("Fake"));
  std::filesystem::remove_all(folder);
}
