#include "host/train/exceptions.h"

#include <c10/util/Exception.h>

#include <new>
#include <string_view>
#include <system_error>

namespace trainhost::train {
namespace {

/// What oneDNN throws (as a plain exception) when there is no room for the code of a kernel: what
/// it cannot compute at all it refuses before, as "a primitive descriptor".
constexpr std::string_view kNoPrimitive = "could not create a primitive";

/// A thread whose stack does not fit (EAGAIN), or anything else that says so.
bool says_no_room(const std::system_error& error) {
  return error.code() == std::errc::resource_unavailable_try_again ||
         error.code() == std::errc::not_enough_memory;
}

}  // namespace

bool is_out_of_memory(const std::exception& exception) {
  if (dynamic_cast<const c10::OutOfMemoryError*>(&exception) != nullptr) return true;
  if (dynamic_cast<const std::bad_alloc*>(&exception) != nullptr) return true;
  if (exception.what() == kNoPrimitive) return true;
  const auto* of_system = dynamic_cast<const std::system_error*>(&exception);
  if (of_system != nullptr) return says_no_room(*of_system);
  // LibTorch's allocator for the CPU has no exception of its own.
  const auto* error = dynamic_cast<const c10::Error*>(&exception);
  return error != nullptr &&
         std::string(error->what_without_backtrace()).find("DefaultCPUAllocator") !=
             std::string::npos;
}

Error as_error(const std::string& who, const std::exception& exception) {
  const auto* of_torch = dynamic_cast<const c10::Error*>(&exception);
  const std::string text =
      of_torch != nullptr ? of_torch->what_without_backtrace() : exception.what();
  if (!is_out_of_memory(exception)) {
    return {Failure::kRankLost, {.where = who, .what = "an exception ended the rank", .got = text}};
  }
  return {Failure::kDevice,
          {.where = who,
           .what = "the device has no memory left",
           .got = text,
           .fix = "lower train.batch (a larger train.accumulate makes up for it), "
                  "or use strategy=zero3, with offload_optimizer and "
                  "offload_parameters (and prefetch = false) where that is not enough"}};
}

}  // namespace trainhost::train
