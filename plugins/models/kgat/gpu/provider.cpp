// kgat_cuda.so: the kernels' table, on LibTorch's current stream of the device.
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "gpu/table.h"

namespace kgat::gpu {
namespace {

template <auto launch>
struct OnCurrentStream;
template <class Work, const char* (*launch)(const Work&, Stream)>
struct OnCurrentStream<launch> {
  static const char* call(const Work& work, int device) {
    const auto index = static_cast<c10::DeviceIndex>(device);
    const c10::cuda::CUDAGuard guard(index);
    return launch(work, c10::cuda::getCurrentCUDAStream(index).stream());
  }
};

}  // namespace
}  // namespace kgat::gpu

extern "C" __attribute__((visibility("default"))) const kgat::gpu::Table trainhost_kgat_kernels =
    kgat::gpu::make_table<kgat::gpu::OnCurrentStream>();
