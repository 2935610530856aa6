#include "accelerator_session.h"

#include <c10/core/Allocator.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>

#include <string_view>
#include <utility>

namespace trainhost {
namespace {

using c10::CachingAllocator::StatType;

std::string first_line(const c10::Error& error) {
  const std::string text = error.what_without_backtrace();
  return text.substr(0, text.find('\n'));
}

/// How the defaults of c10's DeviceAllocator (by the type) and DeviceGuardImplInterface (in words)
/// say that a backend has no such thing.
bool says_it_lacks_that(const c10::Error& error) {
  if (dynamic_cast<const c10::NotImplementedError*>(&error) != nullptr) return true;
  const std::string_view text = error.what_without_backtrace();
  return text.find("Backend doesn't support") != std::string_view::npos;
}

/// False where the backend has no such thing.
template <class Function>
bool try_to(const Function& function) {
  try {
    function();
    return true;
  } catch (const c10::Error& error) {
    if (!says_it_lacks_that(error)) throw;
    return false;
  }
}

/// Null where the backend has a plain allocator, or none.
c10::DeviceAllocator* allocator_of(at::DeviceType type) {
  return dynamic_cast<c10::DeviceAllocator*>(c10::GetAllocator(type));
}

/// Free and total bytes.
std::optional<std::pair<std::size_t, std::size_t>> memory_of(at::Device device) {
  c10::DeviceAllocator* const allocator = allocator_of(device.type());
  std::optional<std::pair<std::size_t, std::size_t>> out;
  if (allocator == nullptr) return out;
  try_to([&] { out = allocator->getMemoryInfo(device.index()); });
  return out;
}

std::string mebibytes(std::size_t bytes) { return std::to_string(bytes >> 20) + " MiB"; }

class Guard final : public DeviceSession::StreamGuard {
 public:
  explicit Guard(c10::Stream stream) : guard_(stream) {}

 private:
  const c10::StreamGuard guard_;
};

}  // namespace

std::string name_of_device(const std::string& id, int index) {
  return "device '" + id + "' " + std::to_string(index);
}

Error device_error(const std::string& id, at::Device device, const std::string& doing,
                   const c10::Error& error) {
  const std::string where = name_of_device(id, device.index());
  if (dynamic_cast<const c10::OutOfMemoryError*>(&error) == nullptr) {
    return {Failure::kDevice,
            {.where = where,
             .what = "cannot " + doing,
             .got = first_line(error),
             .fix = "see what is here: trainhost plugins --devices; or run with devices=cpu"}};
  }
  std::string got = first_line(error);
  try {
    if (const auto memory = memory_of(device)) {
      got = mebibytes(memory->first) + " free of " + mebibytes(memory->second) + ", " + got;
    }
  } catch (const c10::Error&) {
    // A device that is full may not even tell how full: its first words stay.
  }
  return {Failure::kDevice,
          {.where = where,
           .what = "out of memory: cannot " + doing,
           .got = got,
           .fix = "end what else uses the device, take another one, or run with devices=cpu"}};
}

c10::Stream AcceleratorSession::Streams::of(Stream role) const {
  switch (role) {
    case Stream::kCommunication:
      return communication;
    case Stream::kCopy:
      return copy;
    case Stream::kCompute:
      break;
  }
  return compute;
}

AcceleratorSession::AcceleratorSession(AcceleratorDevice& owner, std::string id, at::Device device,
                                       const OpenOptions& options)
    : owner_(owner),
      id_(std::move(id)),
      device_(device),
      options_(options),
      backend_(device.type()),
      streams_([this]() -> std::optional<Streams> {
        std::optional<Streams> out;
        const bool there = try_to([&] {
          out = Streams{backend_.getStream(device_),
                        backend_.getStreamFromGlobalPool(device_, /*isHighPriority=*/true),
                        backend_.getStreamFromGlobalPool(device_)};
          c10::Event event(device_.type());
          event.record(out->compute);
          event.block(out->copy);
        });
        return there ? out : std::nullopt;
      }()),
      synchronizes_(try_to([this] { backend_.synchronizeDevice(device_.index()); })) {}

MemoryStatistics AcceleratorSession::memory() const {
  MemoryStatistics out;
  if (c10::DeviceAllocator* const allocator = allocator_of(device_.type())) {
    const auto statistics = allocator->getDeviceStats(device_.index());
    const auto& bytes = statistics.allocated_bytes[static_cast<std::size_t>(StatType::AGGREGATE)];
    out.allocated = bytes.current;
    out.peak_allocated = bytes.peak;
  }
  if (const auto memory = memory_of(device_)) {
    out.device_free = static_cast<std::int64_t>(memory->first);
    out.device_total = static_cast<std::int64_t>(memory->second);
  }
  return out;
}

void AcceleratorSession::reset_peak_memory() {
  if (c10::DeviceAllocator* const allocator = allocator_of(device_.type())) {
    allocator->resetPeakStats(device_.index());
  }
}

void AcceleratorSession::synchronize() {
  try {
    wait_for_all();
  } catch (const c10::Error& error) {
    throw device_error(id_, device_, "wait for the device", error);
  }
}

void AcceleratorSession::wait_for_all() const {
  if (synchronizes_) {
    backend_.synchronizeDevice(device_.index());
  } else if (streams_) {
    for (const c10::Stream stream : {streams_->compute, streams_->communication, streams_->copy}) {
      backend_.synchronizeStream(stream);
    }
  }
}

std::unique_ptr<Communicator> AcceleratorSession::communicator(Store& store,
                                                               const std::string& name, int rank,
                                                               int world) {
  return owner_.connect(store, name, rank, world, device_, options_);
}

std::unique_ptr<DeviceSession::StreamGuard> AcceleratorSession::use(Stream role) {
  if (!streams_) return nullptr;
  return std::make_unique<Guard>(streams_->of(role));
}

void AcceleratorSession::order(Stream waiting, Stream issued) {
  if (!streams_) return;
  try {
    c10::Event event(device_.type());
    event.record(streams_->of(issued));
    event.block(streams_->of(waiting));
  } catch (const c10::Error& error) {
    throw device_error(id_, device_, "order two streams", error);
  }
}

}  // namespace trainhost
