// Which CUDA a shared object was linked against, read from the file without loading it.
#pragma once

#include <string>

namespace cuda {

/// The number in its dependency "libcudart.so.N"; 0 where it has none or cannot be read.
int needed_cuda_major(const std::string& file);

}  // namespace cuda
