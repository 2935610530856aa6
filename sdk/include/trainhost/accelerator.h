// AcceleratorDevice: a Device for whatever ATen calls an accelerator (XPU, PrivateUse1, …).
//
// Purpose: what a device plugin needs of hardware, asked through LibTorch's own hooks: the guard of
// the device type for opening, synchronising and streams, its c10::DeviceAllocator for memory.
// Nothing of the hardware's libraries is compiled in or linked. A plugin loads them (and so
// registers the hooks) before it makes one of these; what the backend lacks is left out: without
// streams use() returns null, without statistics memory() says -1. Collectives are those of
// host_staged.h; a device with better ones overrides connect() and local_communicators(). Owner,
// threads and ranks: as device.h says. Link trainhost::accelerator.
//
//   class MyDevice final : public trainhost::AcceleratorDevice {
//    public:
//     explicit MyDevice(trainhost::Host&) : AcceleratorDevice("mine", at::kPrivateUse1) {}
//   };
#pragma once

#include <c10/core/DeviceType.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "trainhost/device.h"

namespace trainhost {

class AcceleratorDevice : public Device {
 public:
  /// `id`: the plugin's, by which messages name the device.
  AcceleratorDevice(std::string id, at::DeviceType type) : id_(std::move(id)), type_(type) {}

  /// Makes the device's context and allocates once, so that a device that is taken, full or broken
  /// is known before anything else is done. Errors: Failure::kDevice with the true first reason.
  std::unique_ptr<DeviceSession> open(int index, const OpenOptions& options) override;

  std::vector<std::unique_ptr<Communicator>> local_communicators(
      std::span<DeviceSession* const> sessions, const OpenOptions& options) override;

  /// What the communicator() of a session of this device returns; called on the rank's thread.
  /// [collective]
  virtual std::unique_ptr<Communicator> connect(Store& store, const std::string& name, int rank,
                                                int world, at::Device device,
                                                const OpenOptions& options);

 private:
  const std::string id_;
  const at::DeviceType type_;
};

}  // namespace trainhost
