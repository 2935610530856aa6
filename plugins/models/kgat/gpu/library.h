// kgat_cuda.so: found in the folder `kernels` beside kgat.so, opened by it, and by it alone.
#pragma once

#include <string>

#include "gpu/kernels.h"

namespace kgat::gpu {

/// Purpose: what became of the search. Owner: the library stays loaded until the process ends.
struct Library {
  const Table* table = nullptr;
  std::string file;     // where it is or would be
  std::string why_not;  // empty where there is a table
};

/// The table in `file`. Nothing is thrown: without it LibTorch's operations serve.
Library open_library(const std::string& file);
/// The same of the file beside the shared object that this code is in.
Library library_beside_plugin();

}  // namespace kgat::gpu
