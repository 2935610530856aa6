#include "offload.h"

#include <ATen/ops/empty.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace zero {

using namespace trainhost;

Offload::Offload(const Settings& settings, at::Device device)
    : device_(device),
      parameters_(settings.offload_parameters),
      gradients_(settings.offload_optimizer && device.is_cpu()),
      copies_(settings.offload_optimizer && !device.is_cpu()),
      host_(device, settings.offload_directory) {
  if (settings.offload_optimizer) {
    optimizer_ = {at::kCPU, [this](std::int64_t count, at::ScalarType type) {
                    return host_.allocate(count, type);
                  }};
  } else if (settings.offload_parameters) {
    // Not beside the values.
    optimizer_ = {device, [device](std::int64_t count, at::ScalarType type) {
                    return at::empty({count}, at::TensorOptions(type).device(device));
                  }};
  }
}

Offload::Fetched Offload::fetch(const at::Tensor& gradients) const {
  Fetched out;
  out.values_ = gradients;
  if (!copies_) return out;
  out.values_ =
      at::empty(gradients.sizes(), at::TensorOptions(gradients.scalar_type()).pinned_memory(true));
  out.values_.copy_(gradients, /*non_blocking=*/true);
  const c10::impl::VirtualGuardImpl device(device_.type());
  out.copied_.emplace(device_.type()).record(device.getStream(device_));
  return out;
}

const at::Tensor& Offload::Fetched::wait() {
  if (copied_) copied_->synchronize();
  copied_.reset();
  return values_;
}

void Offload::will_need(const OptimizedSlice& slice, int objective) const {
  if (!gradients_) return;
  if (slice.master.defined()) host_.will_need(slice.master);
  for (const at::Tensor& state : slice.histories[objective].states) host_.will_need(state);
}

}  // namespace zero
