// Packed: sequences of tokens one after the other, without padding.
//
// Threads and ranks: immutable once made; a rank's own sequences. Shapes: `tokens` is the number of
// tokens of all sequences, n that of the sequences; n may be 0.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace bert {

/// Positions of a sequence that random numbers can tell apart; keys are below 2^36.
inline constexpr std::int64_t kKeyedPositions = 4096;

/// What is needed of the sequences on the host.
struct Sequences {
  std::vector<std::int64_t> offsets;  ///< [n + 1]: sequence i is tokens offsets[i] to offsets[i+1]
  std::vector<std::uint64_t> keys;    ///< [n]: names a sequence for dropout, on any rank the same
  std::int64_t longest = 0;

  std::int64_t size() const { return static_cast<std::int64_t>(keys.size()); }
  std::int64_t tokens() const { return offsets.back(); }
};

struct Packed {
  std::shared_ptr<const Sequences> sequences;  ///< shared with the functions of a backward pass
  at::Tensor ids, positions;                   ///< i64 [tokens]
  at::Tensor types;                            ///< i64 [tokens], or undefined: all 0
  at::Tensor starts;                           ///< i32 [n + 1]: offsets, on the device
};

/// CPU tensors. Each text has at least one token and at most kKeyedPositions; `types`, one list for
/// each text, may be empty.
Packed pack(const std::vector<std::span<const std::int32_t>>& texts,
            std::vector<std::uint64_t> keys,
            const std::vector<std::span<const std::uint8_t>>& types = {});

/// The same sequences with the tensors on `device`.
Packed to_device(const Packed& packed, at::Device device);

}  // namespace bert
