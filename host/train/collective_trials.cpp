#include "host/train/collective_trials.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "trainhost/error.h"
#include "trainhost/random.h"

namespace trainhost::train {
namespace {

constexpr at::ScalarType kTypes[] = {at::kDouble, at::kFloat, at::kBFloat16,
                                     at::kHalf,   at::kLong,  at::kByte};
constexpr ReduceOp kReductions[] = {ReduceOp::kSum, ReduceOp::kMin, ReduceOp::kMax};
/// One element, fewer than a vector, more than a vector, more than a call's slot.
constexpr std::int64_t kSizes[] = {1, 13, 4099, 300007};
constexpr Traffic kTag = Traffic::kStrategy;

/// Whole numbers that stay exact in every type when four or more of them are added.
double value_of(std::uint64_t seed, int rank, std::int64_t index) {
  const std::uint64_t mixed = (seed + 1) * 0x9e3779b97f4a7c15ULL +
                              static_cast<std::uint64_t>(rank + 1) * 0xbf58476d1ce4e5b9ULL +
                              static_cast<std::uint64_t>(index) * 0x94d049bb133111ebULL;
  return static_cast<double>((mixed ^ (mixed >> 29)) % 16);
}

using Values = std::vector<double>;

Values values_of(const TrialPlace& place, int rank, std::int64_t count) {
  Values out(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) out[i] = value_of(place.seed, rank, i);
  return out;
}

double reduced(double a, double b, ReduceOp op) {
  return op == ReduceOp::kSum ? a + b : op == ReduceOp::kMin ? std::min(a, b) : std::max(a, b);
}

Values reduced_values(const TrialPlace& place, std::int64_t count, ReduceOp op) {
  Values out = values_of(place, 0, count);
  for (int rank = 1; rank < place.communicator.world(); ++rank) {
    for (std::int64_t i = 0; i < count; ++i) {
      out[i] = reduced(out[i], value_of(place.seed, rank, i), op);
    }
  }
  return out;
}

at::Tensor tensor_of(const TrialPlace& place, const Values& values, at::ScalarType type) {
  const at::Tensor doubles =
      at::empty({static_cast<std::int64_t>(values.size())}, at::TensorOptions(at::kDouble));
  std::ranges::copy(values, doubles.mutable_data_ptr<double>());
  return doubles.to(type).to(place.device);
}

at::Tensor empty_of(const TrialPlace& place, std::int64_t count, at::ScalarType type) {
  return at::empty({count}, at::TensorOptions(type).device(place.device));
}

const char* name_of(ReduceOp op) {
  return op == ReduceOp::kSum ? "sum" : op == ReduceOp::kMin ? "min" : "max";
}

void expect(const TrialPlace& place, const std::string& what, const at::Tensor& got,
            const Values& expected) {
  if (place.synchronize) place.synchronize();
  const at::Tensor doubles = got.to(at::kCPU).to(at::kDouble).contiguous();
  const double* values = doubles.const_data_ptr<double>();
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (values[i] == expected[i]) continue;
    const Communicator& c = place.communicator;
    throw Error(Failure::kPlugin,
                {.where = "communicator",
                 .what = what + " of " + std::to_string(expected.size()) + " " +
                         std::string(got.dtype().name()) + " with " + std::to_string(c.world()) +
                         " ranks is wrong on rank " + std::to_string(c.rank()) + " at element " +
                         std::to_string(i),
                 .expected = std::to_string(expected[i]),
                 .got = std::to_string(values[i])});
  }
}

/// How many elements of `total` each rank has.
std::vector<std::int64_t> counts_of(std::int64_t total, int world, bool uneven) {
  std::vector<std::int64_t> out(static_cast<std::size_t>(world), total / world);
  out.front() += total % world;
  if (!uneven || world == 1) return out;
  // The last rank has none, the first one some of the second's too.
  out.front() += out.back();
  out.back() = 0;
  if (world > 2) {
    const std::int64_t moved = out[1] / 3;
    out[1] -= moved;
    out[0] += moved;
  }
  return out;
}

std::int64_t before(const std::vector<std::int64_t>& counts, int rank) {
  return std::accumulate(counts.begin(), counts.begin() + rank, std::int64_t{0});
}

void try_reductions(const TrialPlace& place, std::int64_t size, at::ScalarType type, bool uneven) {
  Communicator& c = place.communicator;
  for (const ReduceOp op : kReductions) {
    const Values all = reduced_values(place, size, op);
    const std::string name = std::string(", ") + name_of(op);
    if (!uneven) {
      const at::Tensor data = tensor_of(place, values_of(place, c.rank(), size), type);
      wait(c.all_reduce(data, op, kTag));
      expect(place, "all_reduce" + name, data, all);
      for (int root = 0; root < c.world(); ++root) {
        const at::Tensor mine = tensor_of(place, values_of(place, c.rank(), size), type);
        wait(c.reduce(mine, root, op, kTag));
        if (root == c.rank()) expect(place, "reduce" + name, mine, all);
      }
    }
    const auto counts = counts_of(size, c.world(), uneven);
    const std::int64_t begin = before(counts, c.rank()), count = counts[c.rank()];
    const Values part(all.begin() + begin, all.begin() + begin + count);
    const at::Tensor input = tensor_of(place, values_of(place, c.rank(), size), type);
    const at::Tensor output = empty_of(place, count, type);
    wait(c.reduce_scatter(output, input, counts, op, kTag));
    expect(place, "reduce_scatter" + name, output, part);
    const at::Tensor whole = tensor_of(place, values_of(place, c.rank(), size), type);
    wait(c.reduce_scatter(whole.narrow(0, begin, count), whole, counts, op, kTag));
    expect(place, "reduce_scatter into its input" + name, whole.narrow(0, begin, count), part);
  }
}

void try_moves(const TrialPlace& place, std::int64_t size, at::ScalarType type, bool uneven) {
  Communicator& c = place.communicator;
  const auto counts = counts_of(size, c.world(), uneven);
  Values gathered;
  for (int rank = 0; rank < c.world(); ++rank) {
    const Values part = values_of(place, rank, counts[rank]);
    gathered.insert(gathered.end(), part.begin(), part.end());
  }
  const at::Tensor mine = tensor_of(place, values_of(place, c.rank(), counts[c.rank()]), type);
  const at::Tensor all = empty_of(place, size, type);
  wait(c.all_gather(all, mine, counts, kTag));
  expect(place, "all_gather", all, gathered);
  const at::Tensor own = all.narrow(0, before(counts, c.rank()), counts[c.rank()]);
  wait(c.all_gather(all, own, counts, kTag));
  expect(place, "all_gather from its output", all, gathered);
  for (int root = 0; !uneven && root < c.world(); ++root) {
    const at::Tensor data = tensor_of(place, values_of(place, c.rank(), size), type);
    wait(c.broadcast(data, root, kTag));
    expect(place, "broadcast", data, values_of(place, root, size));
  }
  // Every rank sends each rank what that one's count says, from the beginning of its values.
  Values sent, received;
  for (int rank = 0; rank < c.world(); ++rank) {
    const Values to = values_of(place, c.rank(), counts[rank]);
    sent.insert(sent.end(), to.begin(), to.end());
    const Values from = values_of(place, rank, counts[c.rank()]);
    received.insert(received.end(), from.begin(), from.end());
  }
  const std::vector<std::int64_t> in(static_cast<std::size_t>(c.world()), counts[c.rank()]);
  const at::Tensor output = empty_of(place, std::ssize(received), type);
  wait(c.all_to_all(output, tensor_of(place, sent, type), in, counts, kTag));
  expect(place, "all_to_all", output, received);
}

void try_allocation(const TrialPlace& place) {
  constexpr std::int64_t kBytes = 4096;
  Communicator& c = place.communicator;
  const at::Tensor memory = c.allocate(kBytes);
  expect(place, "allocate", memory, Values(static_cast<std::size_t>(kBytes), 0));
  const at::Tensor part = memory.narrow(0, 0, 256);
  part.copy_(tensor_of(place, values_of(place, c.rank(), 256), at::kByte));
  wait(c.all_reduce(part, ReduceOp::kSum, kTag));
  expect(place, "all_reduce in allocated memory", part, reduced_values(place, 256, ReduceOp::kSum));
}

}  // namespace

void try_collectives(const TrialPlace& place, bool uneven) {
  for (const at::ScalarType type : kTypes) {
    for (const std::int64_t size : kSizes) {
      try_reductions(place, size, type, uneven);
      try_moves(place, size, type, uneven);
    }
  }
  if (!uneven) try_allocation(place);
  place.communicator.barrier(kTag);
}

void try_async(const TrialPlace& place) {
  constexpr int kUnderWay = 16;
  Communicator& c = place.communicator;
  std::vector<at::Tensor> sums, copies;
  std::vector<WorkHandle> works;
  for (int i = 0; i < kUnderWay; ++i) {
    const std::int64_t size = kSizes[i % 4];
    sums.push_back(tensor_of(place, values_of(place, c.rank(), size), at::kFloat));
    copies.push_back(tensor_of(place, values_of(place, c.rank(), size), at::kFloat));
    works.push_back(c.all_reduce(sums.back(), ReduceOp::kSum, kTag));
    works.push_back(c.broadcast(copies.back(), i % c.world(), kTag));
  }
  for (auto work = works.rbegin(); work != works.rend(); ++work) wait(*work);
  for (int i = 0; i < kUnderWay; ++i) {
    const std::int64_t size = kSizes[i % 4];
    expect(place, "all_reduce under way with others", sums[i],
           reduced_values(place, size, ReduceOp::kSum));
    expect(place, "broadcast under way with others", copies[i],
           values_of(place, i % c.world(), size));
  }
}

bool try_rank_order(const TrialPlace& place) {
  Communicator& c = place.communicator;
  if (!c.sums_in_rank_order()) return false;
  for (const std::int64_t size : kSizes) {
    const auto input = [&](int rank) {
      auto cursor = Random(place.seed, "rank order").at(0, 0, static_cast<std::uint64_t>(rank));
      std::vector<float> out(static_cast<std::size_t>(size));
      // Of many magnitudes, so that another order gives other bits.
      for (float& value : out) value = static_cast<float>(std::exp(4 * cursor.normal()));
      return out;
    };
    std::vector<float> sum = input(0);
    for (int rank = 1; rank < c.world(); ++rank) {
      const std::vector<float> more = input(rank);
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += more[i];
    }
    const std::vector<float> mine = input(c.rank());
    const at::Tensor data = tensor_of(place, Values(mine.begin(), mine.end()), at::kFloat);
    wait(c.all_reduce(data, ReduceOp::kSum, kTag));
    expect(place, "all_reduce, which is said to add in rank order,", data,
           Values(sum.begin(), sum.end()));
  }
  return true;
}

}  // namespace trainhost::train
