// What a shared object was linked against, read from the file without loading it.
#pragma once

#include <string>
#include <vector>

namespace cuda {

/// The number in its dependency "libcudart.so.N"; 0 where it has none or cannot be read.
int needed_cuda_major(const std::string& file);

/// The shared libraries of NVIDIA's that it needs ("libcublas.so.13"), in the order of the file.
std::vector<std::string> needed_nvidia_libraries(const std::string& file);

}  // namespace cuda
