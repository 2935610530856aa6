// The device class, its note and registration.
#include "backend.h"
#include "settings.h"
#include "trainhost/accelerator.h"
#include "trainhost/error.h"
#include "trainhost/plugin.h"

namespace standin {

using trainhost::Error;
using trainhost::Failure;

class Device final : public trainhost::AcceleratorDevice {
 public:
  explicit Device(trainhost::Host&) : AcceleratorDevice("standin", at::kPrivateUse1) {
    install_backend();
  }

  std::unique_ptr<trainhost::DeviceSession> open(int index,
                                                 const trainhost::OpenOptions& options) override {
    if (is_busy(index)) {
      throw Error(Failure::kDevice, {.where = "device 'standin' " + std::to_string(index),
                                     .what = "it is busy",
                                     .got = "STANDIN_BUSY lists it",
                                     .fix = "take it out of STANDIN_BUSY"});
    }
    return AcceleratorDevice::open(index, options);
  }

  std::vector<std::unique_ptr<trainhost::Communicator>> local_communicators(
      std::span<trainhost::DeviceSession* const> sessions,
      const trainhost::OpenOptions& options) override {
    require_a_way(static_cast<int>(sessions.size()));
    return AcceleratorDevice::local_communicators(sessions, options);
  }

  std::unique_ptr<trainhost::Communicator> connect(trainhost::Store& store, const std::string& name,
                                                   int rank, int world, at::Device device,
                                                   const trainhost::OpenOptions& options) override {
    require_a_way(world);
    return AcceleratorDevice::connect(store, name, rank, world, device, options);
  }

 private:
  static void require_a_way(int world) {
    if (world == 1 || !are_apart()) return;
    throw Error(Failure::kDevice, {.where = "device 'standin'",
                                   .what = "there is no way from device to device",
                                   .got = "STANDIN_APART is set",
                                   .fix = "unset STANDIN_APART, or use one device"});
  }
};

}  // namespace standin

TRAINHOST_DEVICE_PLUGIN(standin::Device, "org.example.standin", "1.0.0", R"json({
  "summary": "a pretended accelerator, which computes on the CPU",
  "precisions": ["fp32"], "probe": "standin_probe.so"})json")
