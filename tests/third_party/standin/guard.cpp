#include "guard.h"

#include <c10/core/impl/DeviceGuardImplInterface.h>

#include <map>
#include <utility>

#include "settings.h"

namespace standin {
namespace {

constexpr auto kType = c10::DeviceType::PrivateUse1;

thread_local c10::DeviceIndex present_device = 0;
thread_local std::map<c10::DeviceIndex, c10::StreamId> present_streams;

class Guard final : public c10::impl::DeviceGuardImplInterface {
 public:
  c10::DeviceType type() const override { return kType; }
  c10::DeviceIndex deviceCount() const noexcept override {
    return static_cast<c10::DeviceIndex>(device_count());
  }

  c10::Device getDevice() const override { return {kType, present_device}; }
  void setDevice(c10::Device device) const override { exchangeDevice(device); }
  void uncheckedSetDevice(c10::Device device) const noexcept override {
    present_device = device.index();
  }
  c10::Device exchangeDevice(c10::Device device) const override {
    TORCH_CHECK(device.type() == kType && device.index() < deviceCount(),
                "no such device: ", device);
    return {kType, exchange_device(device.index())};
  }

  c10::Stream getStream(c10::Device device) const override {
    return c10::Stream(c10::Stream::UNSAFE, device, present_streams[device.index()]);
  }
  c10::Stream getDefaultStream(c10::Device device) const override {
    return c10::Stream(c10::Stream::DEFAULT, device);
  }
  c10::Stream getStreamFromGlobalPool(c10::Device device, bool high_priority) const override {
    return c10::Stream(c10::Stream::UNSAFE, device, high_priority ? 1 : 2);
  }
  c10::Stream exchangeStream(c10::Stream stream) const override {
    return c10::Stream(c10::Stream::UNSAFE, stream.device(),
                       std::exchange(present_streams[stream.device_index()], stream.id()));
  }
  bool queryStream(const c10::Stream&) const override { return true; }
  void synchronizeStream(const c10::Stream&) const override {}
  void synchronizeDevice(const c10::DeviceIndex) const override {}

  void record(void**, const c10::Stream&, const c10::DeviceIndex,
              const c10::EventFlag) const override {}
  void block(void*, const c10::Stream&) const override {}
  bool queryEvent(void*) const override { return true; }
  void synchronizeEvent(void*) const override {}
};

}  // namespace

c10::DeviceIndex current_device() { return present_device; }

c10::DeviceIndex exchange_device(c10::DeviceIndex index) {
  // -1: whichever it is now.
  return index < 0 ? present_device : std::exchange(present_device, index);
}

void register_guard() {
  static const Guard guard;
  static const c10::impl::DeviceGuardImplRegistrar registrar(kType, &guard);
}

}  // namespace standin
