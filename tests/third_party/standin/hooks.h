// What ATen asks of the backend as a whole: devices, pinned memory, storage that grows.
#pragma once

namespace standin {

void register_hooks();

}  // namespace standin
