#include "cuda/nccl_library.h"

#include <dlfcn.h>

#include "trainhost/error.h"

namespace cuda {
namespace {

using trainhost::Error;
using trainhost::Failure;

template <class Function>
void find(void* library, const char* symbol, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(library, symbol));
  if (function != nullptr) return;
  throw Error(Failure::kDevice, {.where = "NCCL",
                                 .what = "libnccl.so.2 lacks a function",
                                 .got = symbol,
                                 .fix = "use the NCCL that came with LibTorch"});
}

}  // namespace

NcclLibrary NcclLibrary::load() {
  void* const library = ::dlopen("libnccl.so.2", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = ::dlerror();
    throw Error(Failure::kDevice, {.where = "NCCL",
                                   .what = "libnccl.so.2 cannot be loaded",
                                   .got = why == nullptr ? "" : why});
  }
  NcclLibrary out;
  find(library, "ncclCommInitAll", out.init_all);
  find(library, "ncclCommDestroy", out.destroy);
  find(library, "ncclCommAbort", out.abort);
  find(library, "ncclCommGetAsyncError", out.async_error);
  find(library, "ncclGetErrorString", out.error_string);
  find(library, "ncclGetLastError", out.last_error);
  find(library, "ncclGroupStart", out.group_start);
  find(library, "ncclGroupEnd", out.group_end);
  find(library, "ncclAllReduce", out.all_reduce);
  find(library, "ncclReduce", out.reduce);
  find(library, "ncclReduceScatter", out.reduce_scatter);
  find(library, "ncclAllGather", out.all_gather);
  find(library, "ncclBroadcast", out.broadcast);
  find(library, "ncclSend", out.send);
  find(library, "ncclRecv", out.receive);
  return out;
}

void NcclLibrary::require(ncclResult_t result, const char* doing) const {
  if (result == ncclSuccess) return;
  const char* more = last_error(nullptr);
  std::string got = error_string(result);
  if (more != nullptr && *more != '\0') got += std::string(" (") + more + ")";
  throw Error(Failure::kDevice, {.where = "NCCL, " + std::string(doing),
                                 .what = "it failed",
                                 .got = got,
                                 .fix = "NCCL_DEBUG=INFO shows what it tries"});
}

}  // namespace cuda
