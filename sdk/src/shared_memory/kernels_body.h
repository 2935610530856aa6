// The kernels themselves, compiled once for each instruction set: the including file defines
// TRAINHOST_KERNELS (a name) and is compiled with the flags of that set.
//
// Everything lies in an unnamed namespace, and no header with inline functions of its own is used
// beyond <cstring>: a shared inline function compiled for AVX-512 could otherwise be the one that
// the linker keeps for all.
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "shared_memory/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace shared_memory {
namespace {

// One register: GCC splits wider vectors badly.
#if defined(__AVX512F__)
#define TRAINHOST_WIDTH 64
#elif defined(__AVX2__)
#define TRAINHOST_WIDTH 32
#else
#define TRAINHOST_WIDTH 16
#endif
constexpr std::size_t kWidth = TRAINHOST_WIDTH;

typedef float Floats __attribute__((vector_size(TRAINHOST_WIDTH)));
typedef double Doubles __attribute__((vector_size(TRAINHOST_WIDTH)));
typedef std::int64_t Longs __attribute__((vector_size(TRAINHOST_WIDTH)));
typedef std::uint8_t Bytes __attribute__((vector_size(TRAINHOST_WIDTH)));
typedef std::uint32_t Words __attribute__((vector_size(TRAINHOST_WIDTH)));
typedef std::uint16_t Halves __attribute__((vector_size(TRAINHOST_WIDTH / 2)));

struct Sum {
  template <class V>
  static V apply(V a, V b) {
    return a + b;
  }
};
struct Min {
  template <class V>
  static V apply(V a, V b) {
    return ((a < b) | (a != a)) ? a : b;
  }
};
struct Max {
  template <class V>
  static V apply(V a, V b) {
    return ((a > b) | (a != a)) ? a : b;
  }
};

/// Writes a vector to an address of the same alignment, past the caches.
template <class V>
void stream_store(std::byte* to, V value) {
#if defined(__AVX512F__)
  if constexpr (sizeof(V) == 64) {
    _mm512_stream_si512(reinterpret_cast<__m512i*>(to), reinterpret_cast<__m512i>(value));
    return;
  }
#endif
#if defined(__AVX2__)
  if constexpr (sizeof(V) == 32) {
    _mm256_stream_si256(reinterpret_cast<__m256i*>(to), reinterpret_cast<__m256i>(value));
    return;
  }
#endif
#if defined(__SSE2__)
  if constexpr (sizeof(V) == 16) {
    _mm_stream_si128(reinterpret_cast<__m128i*>(to), reinterpret_cast<__m128i>(value));
    return;
  }
#endif
  std::memcpy(to, &value, sizeof(V));
}

void finish_streaming() {
#if defined(__SSE2__)
  _mm_sfence();
#endif
}

template <class T, class V>
struct Plain {
  using Storage = T;
  using Vector = V;
  static constexpr std::size_t kLanes = sizeof(V) / sizeof(T);
  static V load(const std::byte* from) {
    V value;
    std::memcpy(&value, from, sizeof(V));
    return value;
  }
  static V pack(V value) { return value; }
};
using Float64 = Plain<double, Doubles>;
using Float32 = Plain<float, Floats>;
using Int64 = Plain<std::int64_t, Longs>;
using UInt8 = Plain<std::uint8_t, Bytes>;

struct BFloat16 {
  using Storage = std::uint16_t;
  static constexpr std::size_t kLanes = kWidth / 4;
  static Floats load(const std::byte* from) {
    Halves bits;
    std::memcpy(&bits, from, sizeof(bits));
    const Words words = __builtin_convertvector(bits, Words) << 16;
    Floats value;
    std::memcpy(&value, &words, sizeof(value));
    return value;
  }
  // To nearest, ties to even; a NaN becomes the quiet NaN that c10::BFloat16 uses.
  static Halves pack(Floats value) {
    Words words;
    std::memcpy(&words, &value, sizeof(words));
    const Words rounded = (words + (((words >> 16) & 1u) + 0x7fffu)) >> 16;
    const Words quiet = Words{} + 0x7fc0u;
    return __builtin_convertvector((value != value) ? quiet : rounded, Halves);
  }
};

#if !defined(__F16C__)
float float_of_half(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000u) << 16;
  const std::uint32_t magnitude = half & 0x7fffu;
  std::uint32_t bits;
  if (magnitude >= 0x7c00u) {
    bits = 0x7f800000u | (magnitude & 0x3ffu) << 13 | (magnitude > 0x7c00u ? 0x400000u : 0u);
  } else if (magnitude >= 0x400u) {
    bits = (magnitude << 13) + (112u << 23);
  } else {
    const float subnormal = static_cast<float>(magnitude) * 0x1p-24f;
    std::memcpy(&bits, &subnormal, sizeof(bits));
  }
  bits |= sign;
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

std::uint16_t half_of_float(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  const std::uint32_t sign = (bits >> 16) & 0x8000u;
  bits &= 0x7fffffffu;
  std::uint32_t half;
  if (bits > 0x7f800000u) {
    half = 0x7e00u | ((bits >> 13) & 0x3ffu);
  } else if (bits >= 0x47800000u) {
    half = 0x7c00u;
  } else if (bits >= 0x38800000u) {
    half = (bits - (112u << 23) + 0xfffu + ((bits >> 13) & 1u)) >> 13;
  } else {
    // Adding 2^-1 · 2^… aligns the last kept bit with the last bit of the sum, which rounds it.
    float small;
    std::memcpy(&small, &bits, sizeof(small));
    const float aligned = small + 0.5f;
    std::memcpy(&half, &aligned, sizeof(half));
    half -= 0x3f000000u;
  }
  return static_cast<std::uint16_t>(sign | half);
}
#endif

struct Float16 {
  using Storage = std::uint16_t;
  static constexpr std::size_t kLanes = kWidth / 4;
  static Floats load(const std::byte* from) {
    Floats value;
#if defined(__F16C__)
    __m128i bits[kWidth / 32];
    std::memcpy(bits, from, sizeof(bits));
    __m256 wide[kWidth / 32];
    for (std::size_t i = 0; i < kWidth / 32; ++i) wide[i] = _mm256_cvtph_ps(bits[i]);
    std::memcpy(&value, wide, sizeof(value));
#else
    std::uint16_t bits[kLanes];
    std::memcpy(bits, from, sizeof(bits));
    for (std::size_t i = 0; i < kLanes; ++i) value[i] = float_of_half(bits[i]);
#endif
    return value;
  }
  static Halves pack(Floats value) {
    Halves packed;
#if defined(__F16C__)
    __m256 wide[kWidth / 32];
    std::memcpy(wide, &value, sizeof(wide));
    __m128i bits[kWidth / 32];
    for (std::size_t i = 0; i < kWidth / 32; ++i) {
      bits[i] = _mm256_cvtps_ph(wide[i], _MM_FROUND_TO_NEAREST_INT);
    }
    std::memcpy(&packed, bits, sizeof(packed));
#else
    for (std::size_t i = 0; i < kLanes; ++i) packed[i] = half_of_float(value[i]);
#endif
    return packed;
  }
};

/// Reduces `kBlocks` vectors that begin at byte `at` of every source.
template <class Type, class Op, int kBlocks, bool kStream>
void reduce_block(const Reduce& what, std::size_t at) {
  constexpr std::size_t kStep = Type::kLanes * sizeof(typename Type::Storage);
  decltype(Type::load(nullptr)) sum[kBlocks];
  for (int b = 0; b < kBlocks; ++b) sum[b] = Type::load(what.sources[0] + at + b * kStep);
  for (std::size_t s = 1; s < what.source_count; ++s) {
    const std::byte* source = what.sources[s] + at;
    for (int b = 0; b < kBlocks; ++b) sum[b] = Op::apply(sum[b], Type::load(source + b * kStep));
  }
  for (std::size_t d = 0; d < what.destination_count; ++d) {
    std::byte* destination = what.destinations[d] + at;
    for (int b = 0; b < kBlocks; ++b) {
      const auto packed = Type::pack(sum[b]);
      static_assert(sizeof(packed) == kStep);
      if constexpr (kStream) {
        stream_store(destination + b * kStep, packed);
      } else {
        std::memcpy(destination + b * kStep, &packed, kStep);
      }
    }
  }
}

/// The same for the `bytes` < one vector that are left, or that precede an aligned address.
template <class Type, class Op>
void reduce_rest(const Reduce& what, std::size_t at, std::size_t bytes) {
  constexpr std::size_t kStep = Type::kLanes * sizeof(typename Type::Storage);
  alignas(64) std::byte block[kStep] = {};
  std::memcpy(block, what.sources[0] + at, bytes);
  auto sum = Type::load(block);
  for (std::size_t s = 1; s < what.source_count; ++s) {
    std::memcpy(block, what.sources[s] + at, bytes);
    sum = Op::apply(sum, Type::load(block));
  }
  const auto packed = Type::pack(sum);
  std::memcpy(block, &packed, kStep);
  for (std::size_t d = 0; d < what.destination_count; ++d) {
    std::memcpy(what.destinations[d] + at, block, bytes);
  }
}

/// The bytes up to the next boundary of `step` bytes that all destinations share; `step` where they
/// share none.
std::size_t bytes_to_boundary(const Reduce& what, std::size_t step) {
  const auto first = reinterpret_cast<std::uintptr_t>(what.destinations[0]) % step;
  for (std::size_t d = 1; d < what.destination_count; ++d) {
    if (reinterpret_cast<std::uintptr_t>(what.destinations[d]) % step != first) return step;
  }
  return (step - first) % step;
}

template <class Type, class Op>
void reduce(const Reduce& what) {
  constexpr int kBlocks = kWidth == 64 ? 4 : 8;
  constexpr std::size_t kStep = Type::kLanes * sizeof(typename Type::Storage);
  const std::size_t end = what.count * sizeof(typename Type::Storage);
  std::size_t at = 0;
  const std::size_t head = what.stream ? bytes_to_boundary(what, kStep) : kStep;
  if (head < kStep && head % sizeof(typename Type::Storage) == 0 && head <= end) {
    if (head > 0) reduce_rest<Type, Op>(what, 0, head);
    for (at = head; at + kBlocks * kStep <= end; at += kBlocks * kStep) {
      reduce_block<Type, Op, kBlocks, true>(what, at);
    }
    finish_streaming();
  }
  for (; at + kBlocks * kStep <= end; at += kBlocks * kStep) {
    reduce_block<Type, Op, kBlocks, false>(what, at);
  }
  for (; at + kStep <= end; at += kStep) reduce_block<Type, Op, 1, false>(what, at);
  if (at < end) reduce_rest<Type, Op>(what, at, end - at);
}

}  // namespace

#define TRAINHOST_KERNEL_ROW(Type) \
  { reduce<Type, Sum>, reduce<Type, Min>, reduce<Type, Max> }
#define TRAINHOST_TEXT_OF(name) #name
#define TRAINHOST_TEXT(name) TRAINHOST_TEXT_OF(name)
#define TRAINHOST_JOIN_OF(a, b) a##b
#define TRAINHOST_JOIN(a, b) TRAINHOST_JOIN_OF(a, b)

extern const Kernels TRAINHOST_JOIN(kKernels_, TRAINHOST_KERNELS);
const Kernels TRAINHOST_JOIN(kKernels_, TRAINHOST_KERNELS) = {
    TRAINHOST_TEXT(TRAINHOST_KERNELS),
    {TRAINHOST_KERNEL_ROW(Float64), TRAINHOST_KERNEL_ROW(Float32), TRAINHOST_KERNEL_ROW(BFloat16),
     TRAINHOST_KERNEL_ROW(Float16), TRAINHOST_KERNEL_ROW(Int64), TRAINHOST_KERNEL_ROW(UInt8)}};

}  // namespace shared_memory
