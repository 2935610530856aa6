// NcclLibrary: the functions of the NCCL that LibTorch uses (libnccl.so.2, loaded with it).
//
// Purpose: ncclCommInitAll and what goes with it, which LibTorch does not offer. By name, so that a
// LibTorch with an NCCL of its own inside still loads this plugin. Owner: a value that lasts as
// long as the process. Threads: immutable.
#pragma once

#include <nccl.h>

#include <string>

namespace cuda {

struct NcclLibrary {
  decltype(&ncclCommInitAll) init_all = nullptr;
  decltype(&ncclCommDestroy) destroy = nullptr;
  decltype(&ncclCommAbort) abort = nullptr;
  decltype(&ncclCommGetAsyncError) async_error = nullptr;
  decltype(&ncclGetErrorString) error_string = nullptr;
  decltype(&ncclGetLastError) last_error = nullptr;
  decltype(&ncclGroupStart) group_start = nullptr;
  decltype(&ncclGroupEnd) group_end = nullptr;
  decltype(&ncclAllReduce) all_reduce = nullptr;
  decltype(&ncclReduce) reduce = nullptr;
  decltype(&ncclReduceScatter) reduce_scatter = nullptr;
  decltype(&ncclAllGather) all_gather = nullptr;
  decltype(&ncclBroadcast) broadcast = nullptr;
  decltype(&ncclSend) send = nullptr;
  decltype(&ncclRecv) receive = nullptr;

  /// Throws Error (kDevice) where there is none, or it lacks a function.
  static NcclLibrary load();

  /// Throws Error (kDevice) with NCCL's own words unless it went well.
  void require(ncclResult_t result, const char* doing) const;
};

}  // namespace cuda
