// AcceleratorSession: one opened device of an ATen accelerator.
#pragma once

#include <c10/core/Stream.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/Exception.h>

#include <memory>
#include <optional>
#include <string>

#include "trainhost/accelerator.h"
#include "trainhost/error.h"

namespace trainhost {

/// Purpose: see accelerator.h. What the backend lacks is found out once, when it is made. Owner,
/// threads and ranks: as DeviceSession says.
class AcceleratorSession final : public DeviceSession {
 public:
  AcceleratorSession(AcceleratorDevice& owner, std::string id, at::Device device,
                     const OpenOptions& options);

  at::Device device() const override { return device_; }
  MemoryStatistics memory() const override;
  void reset_peak_memory() override;
  void synchronize() override;
  std::unique_ptr<Communicator> communicator(Store& store, const std::string& name, int rank,
                                             int world) override;
  std::unique_ptr<StreamGuard> use(Stream role) override;
  void order(Stream waiting, Stream issued) override;

 private:
  struct Streams {
    c10::Stream compute, communication, copy;
    c10::Stream of(Stream role) const;
  };
  void wait_for_all() const;

  AcceleratorDevice& owner_;
  const std::string id_;
  const at::Device device_;
  const OpenOptions options_;
  const c10::impl::VirtualGuardImpl backend_;
  const std::optional<Streams> streams_;
  const bool synchronizes_;
};

/// "device 'xpu' 0".
std::string name_of_device(const std::string& id, int index);

/// What a call of LibTorch threw, as an Error of this device: out of memory with the bytes that are
/// left, anything else in the first line of its own words.
Error device_error(const std::string& id, at::Device device, const std::string& doing,
                   const c10::Error& error);

}  // namespace trainhost
