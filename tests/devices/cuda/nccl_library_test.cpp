// The real NCCL, without a GPU: all functions are there, and a start that fails is an Error.
#include "cuda/nccl_library.h"

#include <dlfcn.h>

#include <array>
#include <catch2/catch.hpp>

#include "trainhost/error.h"

using Catch::Matchers::Contains;

TEST_CASE("the NCCL that is here has what rank threads need, or its absence is told") {
  if (::dlopen("libnccl.so.2", RTLD_NOW | RTLD_LOCAL) == nullptr) {
    CHECK_THROWS_WITH(cuda::NcclLibrary::load(), Contains("libnccl.so.2 cannot be loaded"));
    return;
  }
  const cuda::NcclLibrary nccl = cuda::NcclLibrary::load();
  CHECK_NOTHROW(nccl.require(ncclSuccess, "something"));
  // Two ranks on one device, which NCCL refuses whatever the machine has.
  std::array<ncclComm_t, 2> comms{};
  const std::array<int, 2> devices{0, 0};
  CHECK_THROWS_WITH(nccl.require(nccl.init_all(comms.data(), 2, devices.data()), "ncclCommInitAll"),
                    Contains("NCCL, ncclCommInitAll") && Contains("NCCL_DEBUG=INFO"));
}
