#include "cuda/local_way.h"

#include <set>

namespace cuda {

LocalWay choose_local_way(std::span<const int> devices, bool sums_in_rank_order) {
  if (devices.size() < 2) return {false, ""};
  if (std::set<int>(devices.begin(), devices.end()).size() < devices.size()) {
    return {false, "ranks share a GPU: they reduce by copies"};
  }
  if (sums_in_rank_order && devices.size() > 2) {
    return {false, "sums are asked for in the order of ranks: they are made by copies"};
  }
  return {true, ""};
}

}  // namespace cuda
