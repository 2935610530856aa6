// What the environment says of the pretended machine.
#pragma once

#include <cstddef>
#include <string>

namespace standin {

/// STANDIN_DEVICES: how many devices there are; 2 where it is not set.
int device_count();

/// STANDIN_MEMORY_MB: of each device; 4096 where it is not set. None on a device that
/// STANDIN_FULL lists.
std::size_t memory_bytes(int index);

/// Whether STANDIN_BUSY lists the device ("0,2").
bool is_busy(int index);

/// STANDIN_APART: whether devices cannot be connected with each other.
bool are_apart();

/// STANDIN_DRIVER: "none", "old", "incomplete": why nothing can be used, in words; "" where it can.
std::string why_not();

}  // namespace standin
