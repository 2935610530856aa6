// What a CUDA error tells the user.
#include "cuda/errors.h"

#include <catch2/catch.hpp>
#include <cstdlib>

using Catch::Matchers::Contains;
using namespace cuda;

namespace {

CudaFailure failure(int code, const std::string& name, const std::string& text) {
  CudaFailure out;
  out.code = code;
  out.name = name;
  out.text = text;
  return out;
}

}  // namespace

TEST_CASE("versions of CUDA are written as people write them") {
  CHECK(version_text(13000) == "13.0");
  CHECK(version_text(12080) == "12.8");
  CHECK(version_text(0) == "unknown");
}

TEST_CASE("a driver that is too old is named with both versions") {
  CudaFailure old =
      failure(35, "cudaErrorInsufficientDriver", "CUDA driver version is insufficient");
  old.driver = 12040;
  old.runtime = 13000;
  const trainhost::Error error = open_failed(0, old);
  CHECK(error.failure() == trainhost::Failure::kDevice);
  CHECK_THAT(error.what(), Contains("device 'cuda' 0") && Contains("serves CUDA 13.0") &&
                               Contains("serves CUDA 12.4") && Contains("newer NVIDIA driver"));
  old.driver = 0;
  CHECK_THAT(open_failed(0, old).what(), Contains("there is no NVIDIA driver"));
}

TEST_CASE("a full device tells how much is free, when it is opened and later") {
  CudaFailure full = failure(2, "cudaErrorMemoryAllocation", "out of memory");
  full.free = std::int64_t{100} << 20;
  full.total = std::int64_t{16000} << 20;
  CHECK_THAT(open_failed(1, full).what(),
             Contains("full already") && Contains("100 MiB free of 16000 MiB"));
  const trainhost::Error later = device_failed(1, "allocate a bucket", full);
  CHECK(later.failure() == trainhost::Failure::kDevice);
  CHECK_THAT(later.what(), Contains("out of memory: allocate a bucket") && Contains("train.batch"));
}

TEST_CASE("a device that another process has, or that is not there, has a fix of its own") {
  for (const int code : {46, 54}) {
    CHECK_THAT(open_failed(3, failure(code, "cudaErrorDevicesUnavailable", "busy")).what(),
               Contains("exclusive mode") && Contains("nvidia-smi -i 3 -c DEFAULT"));
  }
  ::setenv("CUDA_VISIBLE_DEVICES", "7", 1);
  CudaFailure none = failure(101, "cudaErrorInvalidDevice", "invalid device ordinal");
  none.devices = 2;
  CHECK_THAT(open_failed(5, none).what(), Contains("there is no such device") &&
                                              Contains("2 devices") &&
                                              Contains("CUDA_VISIBLE_DEVICES=7"));
  ::unsetenv("CUDA_VISIBLE_DEVICES");
  CHECK_THAT(open_failed(0, failure(803, "cudaErrorSystemDriverMismatch", "x")).what(),
             Contains("reboot"));
  CHECK_THAT(open_failed(0, failure(999, "cudaErrorUnknown", "unknown error")).what(),
             Contains("cudaErrorUnknown (unknown error)"));
}

TEST_CASE("an error of an earlier kernel says how to find it") {
  CHECK_THAT(
      device_failed(0, "synchronize", failure(700, "cudaErrorIllegalAddress", "illegal")).what(),
      Contains("CUDA failed: synchronize") && Contains("CUDA_LAUNCH_BLOCKING=1"));
  CHECK_THAT(device_failed(0, "x", failure(214, "cudaErrorECCUncorrectable", "ecc")).what(),
             Contains("defective"));
}
