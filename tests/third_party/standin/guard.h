// Which pretended device and stream a thread is on. All work is done when it is issued, so streams
// and events are names without effect.
#pragma once

#include <c10/core/Device.h>

namespace standin {

c10::DeviceIndex current_device();
/// Returns the device before.
c10::DeviceIndex exchange_device(c10::DeviceIndex index);

/// Tells c10 how to change device and stream.
void register_guard();

}  // namespace standin
