#include "shared_memory/kernels.h"

#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "reference.h"

using shared_memory::Element;
using shared_memory::Kernels;
using shared_memory::Reduction;
using trainhost::ReduceOp;

namespace {

std::vector<const Kernels*> all_kernels() {
  std::vector<const Kernels*> found;
  for (const char* name : {"baseline", "avx2", "avx512"}) {
    if (const Kernels* set = shared_memory::kernels_named(name)) found.push_back(set);
  }
  return found;
}

/// Sums `world` vectors into two destinations that begin `shift` elements into their memory.
template <class T>
void check(const Kernels& kernels, Element element, std::size_t count, std::size_t shift,
           bool stream) {
  constexpr int kWorld = 3;
  std::vector<std::vector<T>> memory;
  std::vector<const std::byte*> sources;
  for (int r = 0; r < kWorld; ++r) {
    memory.emplace_back(count + shift);
    for (std::size_t i = 0; i < count; ++i) {
      memory.back()[shift + i] = reference::value<T>(r, static_cast<std::int64_t>(i));
    }
  }
  for (auto& vector : memory)
    sources.push_back(reinterpret_cast<std::byte*>(vector.data() + shift));
  std::vector<T> apart(count + shift + 1, T(7));
  // One destination is a source, as in a reduction in place.
  std::byte* const destinations[] = {reinterpret_cast<std::byte*>(memory[1].data() + shift),
                                     reinterpret_cast<std::byte*>(apart.data() + shift)};
  kernels(element, Reduction::kSum,
          {destinations, 2, sources.data(), sources.size(), count, stream});
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const T right = reference::reduced<T>(kWorld, static_cast<std::int64_t>(i), ReduceOp::kSum);
    wrong += std::memcmp(&right, &memory[1][shift + i], sizeof(T)) != 0;
    wrong += std::memcmp(&right, &apart[shift + i], sizeof(T)) != 0;
  }
  CHECK(wrong == 0);
  CHECK(apart[shift + count] == T(7));
}

template <class T>
T reduce_two(const Kernels& kernels, Element element, Reduction reduction, T a, T b) {
  T result{};
  std::byte* const destination = reinterpret_cast<std::byte*>(&result);
  const std::byte* const sources[] = {reinterpret_cast<std::byte*>(&a),
                                      reinterpret_cast<std::byte*>(&b)};
  kernels(element, reduction, {&destination, 1, sources, 2, 1, false});
  return result;
}

}  // namespace

TEST_CASE("every instruction set gives the reference's bits at every length and alignment") {
  for (const Kernels* set : all_kernels()) {
    CAPTURE(set->name);
    for (const bool stream : {false, true}) {
      for (const std::size_t count : {0, 1, 7, 8, 15, 16, 17, 63, 64, 65, 127, 255, 256, 1021}) {
        CAPTURE(stream, count);
        for (const std::size_t shift : {0, 1, 5}) {
          check<double>(*set, Element::kF64, count, shift, stream);
          check<float>(*set, Element::kF32, count, shift, stream);
          check<c10::BFloat16>(*set, Element::kBF16, count, shift, stream);
          check<c10::Half>(*set, Element::kF16, count, shift, stream);
          check<std::int64_t>(*set, Element::kI64, count, shift, stream);
          check<std::uint8_t>(*set, Element::kU8, count, shift, stream);
        }
      }
    }
  }
}

TEST_CASE("sums of 16-bit elements are rounded as LibTorch rounds, for every value") {
  for (const Kernels* set : all_kernels()) {
    CAPTURE(set->name);
    std::size_t wrong = 0;
    for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
      for (const float other : {0.0f, 0x1.8p-12f, 3.0f, 65504.0f}) {
        c10::Half half(static_cast<std::uint16_t>(bits), c10::Half::from_bits());
        c10::BFloat16 brain(static_cast<std::uint16_t>(bits), c10::BFloat16::from_bits());
        if (!std::isnan(static_cast<float>(half))) {
          const c10::Half right = static_cast<float>(half) + static_cast<float>(c10::Half(other));
          const c10::Half got =
              reduce_two(*set, Element::kF16, Reduction::kSum, half, c10::Half(other));
          wrong += got.x != right.x && !std::isnan(static_cast<float>(right));
        }
        const c10::BFloat16 right =
            static_cast<float>(brain) + static_cast<float>(c10::BFloat16(other));
        const c10::BFloat16 got =
            reduce_two(*set, Element::kBF16, Reduction::kSum, brain, c10::BFloat16(other));
        wrong += got.x != right.x;
      }
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("min and max hand a NaN on from either side, and sums overflow to infinity") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const Kernels* set : all_kernels()) {
    CAPTURE(set->name);
    for (const Reduction reduction : {Reduction::kMin, Reduction::kMax, Reduction::kSum}) {
      CHECK(std::isnan(reduce_two(*set, Element::kF32, reduction, nan, 1.0f)));
      CHECK(std::isnan(reduce_two(*set, Element::kF32, reduction, 1.0f, nan)));
      CHECK(std::isnan(
          static_cast<float>(reduce_two<c10::Half>(*set, Element::kF16, reduction, 1.0f, nan))));
      CHECK(std::isnan(static_cast<float>(
          reduce_two<c10::BFloat16>(*set, Element::kBF16, reduction, nan, 1.0f))));
    }
    CHECK(std::isinf(static_cast<float>(
        reduce_two<c10::Half>(*set, Element::kF16, Reduction::kSum, 60000.0f, 60000.0f))));
    CHECK(reduce_two<float>(*set, Element::kF32, Reduction::kMin, -1.0f, 2.0f) == -1.0f);
    CHECK(reduce_two<std::int64_t>(*set, Element::kI64, Reduction::kMax, -5, 2) == 2);
    CHECK(reduce_two<std::int64_t>(*set, Element::kI64, Reduction::kSum,
                                   std::numeric_limits<std::int64_t>::max(),
                                   1) == std::numeric_limits<std::int64_t>::min());
    CHECK(reduce_two<std::uint8_t>(*set, Element::kU8, Reduction::kSum, 250, 10) == 4);
    CHECK(reduce_two<std::uint8_t>(*set, Element::kU8, Reduction::kMax, 250, 10) == 250);
  }
}

TEST_CASE("an unknown instruction set has no kernels") {
  CHECK(shared_memory::kernels_named("avx1024") == nullptr);
  CHECK(shared_memory::kernels_named("baseline") != nullptr);
}
