#include "shared_memory/kernels.h"

#if defined(TRAINHOST_X86_KERNELS)
#include <cpuid.h>
#endif

#include <string_view>

namespace shared_memory {

extern const Kernels kKernels_baseline;
#if defined(TRAINHOST_X86_KERNELS)
extern const Kernels kKernels_avx2;
extern const Kernels kKernels_avx512;

namespace {

/// __builtin_cpu_supports("f16c") in words that Clang knows too.
bool has_f16c() {
  unsigned int a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}

}  // namespace
#endif

const Kernels* kernels_named(const char* name) {
  const std::string_view wanted = name;
#if defined(TRAINHOST_X86_KERNELS)
  if (wanted == "avx512" && __builtin_cpu_supports("avx512f") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl")) {
    return &kKernels_avx512;
  }
  if (wanted == "avx2" && __builtin_cpu_supports("avx2") && has_f16c()) {
    return &kKernels_avx2;
  }
#endif
  return wanted == "baseline" ? &kKernels_baseline : nullptr;
}

const Kernels& kernels() {
  static const Kernels& best = []() -> const Kernels& {
    for (const char* name : {"avx512", "avx2"}) {
      if (const Kernels* found = kernels_named(name)) return *found;
    }
    return kKernels_baseline;
  }();
  return best;
}

}  // namespace shared_memory
