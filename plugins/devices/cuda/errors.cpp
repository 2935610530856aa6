#include "cuda/errors.h"

#include <cstdlib>

namespace cuda {
namespace {

using trainhost::Error;
using trainhost::Failure;

// Values of cudaError_t that have a fix of their own (driver_types.h, CUDA 13).
constexpr int kMemoryAllocation = 2, kInsufficientDriver = 35, kDevicesUnavailable = 46,
              kDeviceAlreadyInUse = 54, kNoDevice = 100, kInvalidDevice = 101,
              kEccUncorrectable = 214, kSystemDriverMismatch = 803;

std::string mebibytes(std::int64_t bytes) { return std::to_string(bytes >> 20) + " MiB"; }

std::string named(int index) { return "device 'cuda' " + std::to_string(index); }

std::string words(const CudaFailure& failure) { return failure.name + " (" + failure.text + ")"; }

std::string memory_left(const CudaFailure& failure) {
  if (failure.free < 0 || failure.total < 0) return words(failure);
  return mebibytes(failure.free) + " free of " + mebibytes(failure.total) + ", " + words(failure);
}

std::string visible_devices() {
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  return visible == nullptr ? "" : ", CUDA_VISIBLE_DEVICES=" + std::string(visible);
}

Error driver_too_old(int index, const CudaFailure& failure) {
  if (failure.driver == 0) {
    return Error(Failure::kDevice, {.where = named(index),
                                    .what = "there is no NVIDIA driver",
                                    .got = words(failure),
                                    .fix = "install the NVIDIA driver, or run with devices=cpu"});
  }
  return Error(
      Failure::kDevice,
      {.where = named(index),
       .what = "the NVIDIA driver is too old for this LibTorch",
       .expected = "a driver that serves CUDA " + version_text(failure.runtime),
       .got = "one that serves CUDA " + version_text(failure.driver) + ", " + words(failure),
       .fix = "install a newer NVIDIA driver, or run with devices=cpu"});
}

Error no_such_device(int index, const CudaFailure& failure) {
  const std::string count =
      failure.devices < 0 ? "" : std::to_string(failure.devices) + " devices, ";
  return Error(Failure::kDevice, {.where = named(index),
                                  .what = "there is no such device",
                                  .got = count + words(failure) + visible_devices(),
                                  .fix = "see what is here: trainhost plugins --devices"});
}

Error out_of_memory(int index, const std::string& what, const CudaFailure& failure) {
  return Error(Failure::kDevice,
               {.where = named(index),
                .what = what,
                .got = memory_left(failure),
                .fix = "end what else uses the GPU (nvidia-smi lists it), take another one, or "
                       "lower train.batch"});
}

}  // namespace

std::string version_text(int version) {
  if (version <= 0) return "unknown";
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

Error open_failed(int index, const CudaFailure& failure) {
  switch (failure.code) {
    case kMemoryAllocation:
      return out_of_memory(index, "its memory is full already", failure);
    case kInsufficientDriver:
      return driver_too_old(index, failure);
    case kDevicesUnavailable:
    case kDeviceAlreadyInUse:
      return Error(Failure::kDevice,
                   {.where = named(index),
                    .what = "it is busy, or in exclusive mode and taken by another process",
                    .got = words(failure),
                    .fix = "nvidia-smi shows the process; the mode is changed by its owner: "
                           "nvidia-smi -i " +
                           std::to_string(index) + " -c DEFAULT"});
    case kNoDevice:
    case kInvalidDevice:
      return no_such_device(index, failure);
    case kSystemDriverMismatch:
      return Error(Failure::kDevice,
                   {.where = named(index),
                    .what = "the kernel's NVIDIA driver and libcuda.so.1 are of different versions",
                    .got = words(failure),
                    .fix = "reboot, or reinstall the driver"});
    default:
      return Error(Failure::kDevice, {.where = named(index),
                                      .what = "it cannot be opened",
                                      .got = words(failure),
                                      .fix = "run nvidia-smi; or devices=cpu"});
  }
}

Error device_failed(int index, const std::string& doing, const CudaFailure& failure) {
  if (failure.code == kMemoryAllocation)
    return out_of_memory(index, "out of memory: " + doing, failure);
  std::string fix =
      "an earlier kernel may be the cause: run again with CUDA_LAUNCH_BLOCKING=1 to see which";
  if (failure.code == kEccUncorrectable) fix = "the GPU's memory is defective: take another one";
  return Error(
      Failure::kDevice,
      {.where = named(index), .what = "CUDA failed: " + doing, .got = words(failure), .fix = fix});
}

}  // namespace cuda
