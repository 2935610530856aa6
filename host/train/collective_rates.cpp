#include "host/train/collective_rates.h"

#include <algorithm>
#include <functional>

#include "host/train/clock.h"

namespace trainhost::train {
namespace {

constexpr int kWarmup = 2, kRepeats = 9;

/// Of one call, all ranks starting together.
double median_seconds(Communicator& communicator, const std::function<WorkHandle()>& operation) {
  std::vector<double> seconds;
  for (int i = 0; i < kWarmup + kRepeats; ++i) {
    communicator.barrier(Traffic::kHost);
    const double begin = now();
    wait(operation());
    if (i >= kWarmup) seconds.push_back(now() - begin);
  }
  std::ranges::sort(seconds);
  return seconds[seconds.size() / 2];
}

}  // namespace

std::vector<CollectiveTime> collective_times(Communicator& communicator) {
  // A small call, one that fits caches, and a bucket.
  constexpr std::int64_t kSizes[] = {std::int64_t{64} << 10, std::int64_t{2} << 20,
                                     std::int64_t{24} << 20};
  const int world = communicator.world(), rank = communicator.rank();
  std::vector<CollectiveTime> out;
  for (const std::int64_t size : kSizes) {
    const at::Tensor data = communicator.allocate(size).view(at::kFloat);
    const std::int64_t elements = data.numel();
    std::vector<std::int64_t> counts;
    for (int r = 0; r < world; ++r) {
      counts.push_back(elements * (r + 1) / world - elements * r / world);
    }
    const at::Tensor mine = data.narrow(0, elements * rank / world, counts[rank]);
    const std::int64_t once = size * (world - 1) / world;
    const auto add = [&](const char* name, std::int64_t sent, auto&& operation) {
      out.push_back({name, size, sent, median_seconds(communicator, operation)});
    };
    add("all_reduce", 2 * once,
        [&] { return communicator.all_reduce(data, ReduceOp::kSum, Traffic::kHost); });
    add("reduce_scatter", once, [&] {
      return communicator.reduce_scatter(mine, data, counts, ReduceOp::kSum, Traffic::kHost);
    });
    add("all_gather", once,
        [&] { return communicator.all_gather(data, mine, counts, Traffic::kHost); });
  }
  return out;
}

}  // namespace trainhost::train
