// What a CUDA error means for a run, in words that say how to mend it. Knows no CUDA headers.
#pragma once

#include <cstdint>
#include <string>

#include "trainhost/error.h"

namespace cuda {

/// A failed call of the CUDA run-time.
struct CudaFailure {
  int code = 0;             ///< cudaError_t
  std::string name;         ///< "cudaErrorMemoryAllocation"
  std::string text;         ///< "out of memory"
  int driver = 0;           ///< the highest CUDA that the driver serves, 13000 for 13.0; 0: unknown
  int runtime = 0;          ///< the CUDA that LibTorch wants, likewise
  int devices = -1;         ///< how many devices can be seen; -1: unknown
  std::int64_t free = -1;   ///< bytes of the device's memory; -1: unknown
  std::int64_t total = -1;  ///< likewise
};

/// Why a device could not be opened.
trainhost::Error open_failed(int index, const CudaFailure& failure);

/// What went wrong on an opened device. `doing`: "synchronize", "allocate 1048576 bytes".
trainhost::Error device_failed(int index, const std::string& doing, const CudaFailure& failure);

/// "13.0" of 13000.
std::string version_text(int version);

}  // namespace cuda
