// state_hash: a number for each tensor of the state, such that equal bits give equal numbers.
//
// Purpose: `prove` compares strategies by it without moving the state. The hash of a tensor is a
// sum over its elements of a mix of position and bits, modulo 2^64: so slices that ranks hold can
// be hashed where they are and added up. Not cryptographic: it finds errors, not forgers.
// Threads and ranks: the rank's thread; no communication.
#pragma once

#include <cstdint>
#include <vector>

#include "host/telemetry/event.h"
#include "trainhost/strategy.h"

namespace trainhost::train {

/// Of `count` elements of `bytes` (1, 2, 4 or 8) each, the first one at `offset` of its tensor.
std::uint64_t hash_elements(const void* data, std::int64_t count, int bytes, std::int64_t offset);

std::vector<telemetry::State::Tensor> hash_state(const std::vector<StateSlice>& state);

}  // namespace trainhost::train
