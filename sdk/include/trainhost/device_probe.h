// The probe of a device plugin: a small shared object of its own, without LibTorch, which the
// command-line program loads to learn what is here before anything heavy is loaded.
//
// The object carries a plugin note of kind "probe" whose id is the device's (plugin.h,
// TRAINHOST_PROBE) and exports this one C function. It must not create a device context.
//
//   size_t trainhost_probe_v1(const char* libtorch, char* json, size_t capacity)
//
// `libtorch` is the folder with LibTorch's lib/ ("" where none was found). The function writes a
// JSON text of at most `capacity` bytes, without a final zero, and returns its length (0: it
// failed):
//   {"devices": [{"index": 0, "name": "NVIDIA T4", "memory_bytes": 16106127360}], "why_not": ""}
// `why_not` is the true first reason where there are no devices: "no NVIDIA driver (libcuda.so.1
// not found)" comes before a missing library. Threads: called once, from one thread.
#pragma once

#include <cstddef>

namespace trainhost {

using ProbeFunction = std::size_t (*)(const char* libtorch, char* json, std::size_t capacity);
inline constexpr const char* kProbeSymbol = "trainhost_probe_v1";

}  // namespace trainhost
