#include "cpu/kernels.h"

#include <string_view>

namespace cpu {

extern const Kernels kKernels_baseline;
#if defined(TRAINHOST_X86_KERNELS)
extern const Kernels kKernels_avx2;
extern const Kernels kKernels_avx512;
#endif

const Kernels* kernels_named(const char* name) {
  const std::string_view wanted = name;
#if defined(TRAINHOST_X86_KERNELS)
  if (wanted == "avx512" && __builtin_cpu_supports("avx512f") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl")) {
    return &kKernels_avx512;
  }
  if (wanted == "avx2" && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("f16c")) {
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

}  // namespace cpu
