#include "xpu/device.h"

#include <dlfcn.h>

#include "trainhost/error.h"

namespace xpu {
namespace {

using trainhost::Error;
using trainhost::Failure;

/// Found on the library path that the host sets to the LibTorch in use.
constexpr const char* kLibrary = "libtorch_xpu.so";

/// Registers kernels, allocator, guard and hooks by its static initialisers. It joins the global
/// scope, where the rest of LibTorch is, as if the program had been linked with it.
void load_half_of_libtorch() {
  if (::dlopen(kLibrary, RTLD_NOW | RTLD_GLOBAL) != nullptr) return;
  const char* const reason = ::dlerror();
  throw Error(
      Failure::kDevice,
      {.where = "device 'xpu'",
       .what = "LibTorch's XPU half cannot be loaded",
       .got = reason == nullptr ? kLibrary : reason,
       .fix = "name a complete LibTorch for XPU with TRAINHOST_LIBTORCH, or run with devices=cpu"});
}

}  // namespace

XpuDevice::XpuDevice(trainhost::Host&) : AcceleratorDevice("xpu", at::kXPU) {
  load_half_of_libtorch();
}

}  // namespace xpu
