// Operation: one collective as a rank issues it, and the text by which errors name it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace shared_memory {

enum class Kind : std::uint8_t {
  kAllReduce,
  kReduce,
  kReduceScatter,
  kAllGather,
  kBroadcast,
  kAllToAll,
  kBarrier,
  kAllocate,
};

enum class Element : std::uint8_t { kF64, kF32, kBF16, kF16, kI64, kU8 };
inline constexpr int kElements = 6;

enum class Reduction : std::uint8_t { kSum, kMin, kMax };
inline constexpr int kReductions = 3;

std::size_t size_of(Element element);

/// What must be equal on all ranks, apart from the counts of each rank.
struct Description {
  Kind kind = Kind::kBarrier;
  Element element = Element::kU8;
  Reduction reduction = Reduction::kSum;
  std::uint8_t tag = 0;  ///< trainhost::Traffic
  std::int32_t root = 0;
  std::int64_t count = 0;  ///< elements of the whole vector; this rank's own for all_to_all

  /// "all_reduce of 1048576 float32".
  std::string brief() const;
  /// "all_reduce (sum) of 1048576 float32 for the strategy".
  std::string full() const;
};

/// Owner: the caller keeps the memory behind the pointers and spans while the operation runs.
struct Operation {
  Description what;
  const std::byte* input = nullptr;
  std::byte* output = nullptr;                  ///< also the data of operations in place
  std::span<const std::int64_t> counts{};       ///< elements by rank; all_to_all: received
  std::span<const std::int64_t> sent_counts{};  ///< all_to_all alone

  std::size_t bytes() const { return static_cast<std::size_t>(what.count) * size_of(what.element); }
  /// Equal for operations that may meet.
  std::uint32_t hash() const;
};

}  // namespace shared_memory
