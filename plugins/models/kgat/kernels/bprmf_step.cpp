#include "kernels/bprmf_step.h"

#include <algorithm>
#include <cmath>

#include "kernels/simd.h"

namespace kgat {
namespace {

using namespace simd;

struct Steps {
  template <class Isa>
  KGAT_INLINE void run(const BprSample* samples, std::size_t count, BprRates rates,
                       std::ptrdiff_t width, float* users, float* items) {
    constexpr std::size_t kAhead = 6;
    for (std::size_t s = 0; s < count; ++s) {
      const BprSample next = samples[std::min(s + kAhead, count - 1)];
      for (std::ptrdiff_t c = 0; c < width; c += 16) {
        __builtin_prefetch(users + next.user * width + c, 1);
        __builtin_prefetch(items + next.positive * width + c, 1);
        __builtin_prefetch(items + next.negative * width + c, 1);
      }
      float* u = users + samples[s].user * width;
      float* i = items + samples[s].positive * width;
      float* j = items + samples[s].negative * width;
      const float difference = dot<Isa>(u, i, width) - dot<Isa>(u, j, width);
      const float slope = 1.0F / (1.0F + std::exp(difference));
      for (std::ptrdiff_t c = 0; c < width; c += Isa::kLanes) {
        const typename Isa::F a = load<Isa>(u + c), b = load<Isa>(i + c), d = load<Isa>(j + c);
        store<Isa>(u + c, a + rates.lr * (slope * (b - d) - rates.decay * a));
        store<Isa>(i + c, b + rates.lr * (slope * a - rates.decay * b));
        store<Isa>(j + c, d - rates.lr * (slope * a + rates.decay * d));
      }
    }
  }
};

}  // namespace

void bprmf_steps(std::span<const BprSample> samples, BprRates rates, std::ptrdiff_t width,
                 float* users, float* items) {
  dispatch<Steps>(samples.data(), samples.size(), rates, width, users, items);
}

}  // namespace kgat
