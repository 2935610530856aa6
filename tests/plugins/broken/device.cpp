// The cpu device with a fault on purpose: sums are wrong where the ranks' counts differ.
#include "trainhost/device.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "forwarding_communicator.h"
#include "wrapped.h"

namespace broken {
namespace {

using namespace trainhost;

class BrokenCommunicator : public testing::ForwardingCommunicator {
 public:
  explicit BrokenCommunicator(std::unique_ptr<Communicator> inner)
      : ForwardingCommunicator(*inner), inner_(std::move(inner)) {}

  WorkHandle reduce_scatter(at::Tensor output, at::Tensor input,
                            std::span<const std::int64_t> counts, ReduceOp op,
                            Traffic tag) override {
    wait(ForwardingCommunicator::reduce_scatter(output, std::move(input), counts, op, tag));
    const bool even = std::ranges::max(counts) - std::ranges::min(counts) < world();
    if (!even && output.numel() > 0) output.narrow(0, 0, 1).fill_(0.5);
    return nullptr;
  }

 private:
  const std::unique_ptr<Communicator> inner_;
};

class BrokenSession : public DeviceSession {
 public:
  explicit BrokenSession(std::unique_ptr<DeviceSession> inner) : inner_(std::move(inner)) {}
  at::Device device() const override { return inner_->device(); }
  MemoryStatistics memory() const override { return inner_->memory(); }
  void reset_peak_memory() override { inner_->reset_peak_memory(); }
  void synchronize() override { inner_->synchronize(); }
  std::unique_ptr<Communicator> communicator(Store& store, const std::string& name, int rank,
                                             int world) override {
    return std::make_unique<BrokenCommunicator>(inner_->communicator(store, name, rank, world));
  }
  DeviceSession* inner() const { return inner_.get(); }

 private:
  const std::unique_ptr<DeviceSession> inner_;
};

class BrokenDevice : public Device {
 public:
  explicit BrokenDevice(Host& host)
      : inner_(wrapped<Device>(TRAINHOST_WRAPPED, host, nullptr, nullptr)) {}
  std::unique_ptr<DeviceSession> open(int index, const OpenOptions& options) override {
    return std::make_unique<BrokenSession>(inner_->open(index, options));
  }
  std::vector<std::unique_ptr<Communicator>> local_communicators(
      std::span<DeviceSession* const> sessions, const OpenOptions& options) override {
    std::vector<DeviceSession*> inner;
    for (DeviceSession* session : sessions) {
      inner.push_back(static_cast<BrokenSession*>(session)->inner());
    }
    std::vector<std::unique_ptr<Communicator>> out;
    for (auto& end : inner_->local_communicators(inner, options)) {
      out.push_back(std::make_unique<BrokenCommunicator>(std::move(end)));
    }
    return out;
  }

 private:
  const std::unique_ptr<Device> inner_;
};

}  // namespace

TRAINHOST_DEVICE_PLUGIN(BrokenDevice, "broken_device", "1.0.0", R"({
  "summary": "for tests: the cpu device with wrong sums",
  "precisions": ["fp32"], "probe": "broken_device_probe.so"})")

}  // namespace broken
