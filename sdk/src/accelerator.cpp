#include "trainhost/accelerator.h"

#include <ATen/ops/empty.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

#include "accelerator_session.h"
#include "trainhost/host_staged.h"

namespace trainhost {
namespace {

[[noreturn]] void no_such_device(const std::string& id, int index, const std::string& expected) {
  throw Error(Failure::kDevice, {.where = name_of_device(id, index),
                                 .what = "there is no such device",
                                 .expected = expected,
                                 .got = std::to_string(index),
                                 .fix = "see what is here: trainhost plugins --devices"});
}

}  // namespace

std::unique_ptr<DeviceSession> AcceleratorDevice::open(int index, const OpenOptions& options) {
  if (!c10::impl::hasDeviceGuardImpl(type_)) {
    throw Error(Failure::kDevice,
                {.where = "device '" + id_ + "'",
                 .what = "this LibTorch has no backend for it",
                 .fix = "name a LibTorch that has one with TRAINHOST_LIBTORCH, or run with "
                        "devices=cpu"});
  }
  const int count = c10::impl::VirtualGuardImpl(type_).deviceCount();
  if (count == 0) no_such_device(id_, index, "a device: the driver shows none");
  if (index < 0 || index >= count) {
    no_such_device(id_, index, "an index from 0 to " + std::to_string(count - 1));
  }
  const at::Device device(type_, static_cast<c10::DeviceIndex>(index));
  try {
    const c10::DeviceGuard guard(device);
    // Through LibTorch once: context, allocator and kernels are there from now on.
    at::empty({1}, at::TensorOptions(at::kByte).device(device)).zero_();
    auto session = std::make_unique<AcceleratorSession>(*this, id_, device, options);
    session->synchronize();
    return session;
  } catch (const c10::Error& error) {
    throw device_error(id_, device, "open it", error);
  }
}

std::vector<std::unique_ptr<Communicator>> AcceleratorDevice::local_communicators(
    std::span<DeviceSession* const> sessions, const OpenOptions& options) {
  return host_staged_communicators(sessions, options);
}

std::unique_ptr<Communicator> AcceleratorDevice::connect(Store& store, const std::string& name,
                                                         int rank, int world, at::Device device,
                                                         const OpenOptions& options) {
  return host_staged_communicator(store, name, rank, world, device, options);
}

}  // namespace trainhost
