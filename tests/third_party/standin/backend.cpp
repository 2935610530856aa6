#include "backend.h"

#include <c10/core/Allocator.h>
#include <c10/core/DeviceType.h>

#include <mutex>

#include "allocator.h"
#include "guard.h"
#include "hooks.h"
#include "operators.h"

namespace standin {

void install_backend() {
  static std::once_flag once;
  std::call_once(once, [] {
    c10::register_privateuse1_backend("standin");
    c10::SetAllocator(c10::DeviceType::PrivateUse1, &allocator());
    register_guard();
    register_hooks();
    register_operators();
    register_sparse_operators();
  });
}

}  // namespace standin
