// The xpu probe, loaded as the command-line program loads it.
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

std::string ask(const std::string& libtorch) {
  void* const library = ::dlopen(TEST_PROBE, RTLD_NOW | RTLD_LOCAL);
  REQUIRE(library != nullptr);
  const auto probe =
      reinterpret_cast<trainhost::ProbeFunction>(::dlsym(library, trainhost::kProbeSymbol));
  REQUIRE(probe != nullptr);
  CHECK(probe(libtorch.c_str(), nullptr, 0) == 0);
  std::string text(4096, '\0');
  text.resize(probe(libtorch.c_str(), text.data(), text.size()));
  return text;
}

std::string ask_loader(const std::string& fake, const std::string& libtorch = "/nowhere") {
  static void* const loader = ::dlopen(TEST_LOADER, RTLD_NOW | RTLD_GLOBAL);
  REQUIRE(loader != nullptr);
  ::setenv("FAKE_ZE", fake.c_str(), 1);
  return ask(libtorch);
}

/// A folder that looks like a LibTorch with XPU.
struct PretendedLibTorch {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("xpu-torch." + std::to_string(::getpid()));

  PretendedLibTorch() {
    std::filesystem::create_directories(folder / "lib");
    std::ofstream(folder / "lib/libtorch_xpu.so") << "not an ELF file";
  }
  ~PretendedLibTorch() { std::filesystem::remove_all(folder); }
};

}  // namespace

TEST_CASE("without a driver that is the reason, whatever LibTorch has") {
  void* const system = ::dlopen("libze_loader.so.1", RTLD_NOW | RTLD_LOCAL);
  if (system != nullptr) return;  // this machine has one
  const PretendedLibTorch torch;
  for (const std::string& libtorch : {std::string("/nowhere"), torch.folder.string()}) {
    CHECK_THAT(ask(libtorch), Contains("no Intel GPU driver") &&
                                  Contains("libze_loader.so.1, not found") &&
                                  Contains("\"devices\": []"));
  }
}

TEST_CASE("a driver without a GPU is the reason before a LibTorch without XPU") {
  for (const char* fake : {"2013265921,1,1", "0,0,0", "0,2,0"}) {
    CHECK_THAT(ask_loader(fake), Contains("find no GPU"));
  }
}

TEST_CASE("a LibTorch without XPU is the reason where there is a GPU") {
  CHECK_THAT(ask_loader("0,1,1"), Contains("this LibTorch has no XPU"));
}

TEST_CASE("the GPUs of all drivers are counted") {
  const PretendedLibTorch torch;
  CHECK(ask_loader("0,2,1", torch.folder.string()) ==
        R"({"devices": [{"index": 0, "name": "Intel GPU 0"}, )"
        R"({"index": 1, "name": "Intel GPU 1"}], "why_not": ""})");
}
