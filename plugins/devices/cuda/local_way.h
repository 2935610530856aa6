// How ranks that are threads of one process reduce: by NCCL, or by copies between devices.
#pragma once

#include <span>
#include <string>

namespace cuda {

struct LocalWay {
  bool nccl = false;
  std::string why;  ///< for the log, where it is by copies and might be faster
};

/// `devices`: by rank. `sums_in_rank_order`: whether the run asks for that; NCCL adds more than two
/// numbers in an order of its own.
LocalWay choose_local_way(std::span<const int> devices, bool sums_in_rank_order);

}  // namespace cuda
