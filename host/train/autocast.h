// Autocast: ATen's mixed precision for a scope: operations that gain from 16 bits compute in them,
// the others in fp32 (Micikevicius et al., "Mixed Precision Training", ICLR 2018).
//
// Threads and ranks: the calling thread's state, restored at the end of the scope.
#pragma once

#include <ATen/autocast_mode.h>
#include <c10/core/ScalarType.h>

#include <optional>

namespace trainhost::train {

class Autocast {
 public:
  /// `dtype`: bf16 or fp16; nothing: no autocast within the scope.
  Autocast(at::DeviceType device, std::optional<at::ScalarType> dtype)
      : device_(device),
        enabled_(at::autocast::is_autocast_enabled(device)),
        dtype_(at::autocast::get_autocast_dtype(device)),
        cached_(at::autocast::is_autocast_cache_enabled()) {
    at::autocast::set_autocast_enabled(device, dtype.has_value());
    if (dtype) at::autocast::set_autocast_dtype(device, *dtype);
    // Copies of weights that outlive their unit would undo what strategies free, and one made
    // without a graph must not serve where there is one.
    at::autocast::set_autocast_cache_enabled(false);
  }
  ~Autocast() {
    at::autocast::set_autocast_cache_enabled(cached_);
    at::autocast::set_autocast_dtype(device_, dtype_);
    at::autocast::set_autocast_enabled(device_, enabled_);
  }
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  const at::DeviceType device_;
  const bool enabled_;
  const at::ScalarType dtype_;
  const bool cached_;
};

}  // namespace trainhost::train
