#include "scenarios.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "reference.h"
#include "trainhost/error.h"

namespace scenarios {
namespace {

using trainhost::Communicator;
using trainhost::ReduceOp;
using trainhost::Traffic;
using trainhost::WorkHandle;

enum class Layout { kPlain, kShared, kShifted, kMixed };
constexpr const char* kLayoutNames[] = {"plain", "shared", "shifted", "mixed"};

/// Makes tensors in ordinary memory or in the group's own.
class Arena {
 public:
  Arena(Communicator& group, std::int64_t bytes)
      : rank_(group.rank()), half_(bytes / 2), buffer_(group.allocate(bytes)) {}

  /// `place` 0 or 1: two tensors of one operation lie apart.
  template <class T>
  at::Tensor make(Layout layout, std::int64_t count, int place) const {
    const auto type = c10::CppTypeToScalarType<T>::value;
    const bool plain = layout == Layout::kPlain || (layout == Layout::kMixed && rank_ % 2 == 0);
    if (plain) return at::empty({count}, type);
    const std::int64_t shift = layout == Layout::kShifted ? rank_ * 72 : 0;
    const auto bytes = count * static_cast<std::int64_t>(sizeof(T));
    return buffer_.narrow(0, place * half_ + shift, bytes).view(type);
  }

 private:
  int rank_;
  std::int64_t half_;
  at::Tensor buffer_;
};

template <class T>
void fill(const at::Tensor& tensor, int rank, std::int64_t first) {
  T* data = tensor.mutable_data_ptr<T>();
  for (std::int64_t i = 0; i < tensor.numel(); ++i) {
    data[i] = reference::value<T>(rank, first + i);
  }
}

template <class T, class Wanted>
void expect(const at::Tensor& tensor, const std::string& what, const Wanted& wanted) {
  const T* data = tensor.const_data_ptr<T>();
  for (std::int64_t i = 0; i < tensor.numel(); ++i) {
    const T right = wanted(i);
    if (std::memcmp(&right, &data[i], sizeof(T)) == 0) continue;
    throw std::runtime_error(what + " of " + std::to_string(tensor.numel()) + " " +
                             tensor.toString() + ": element " + std::to_string(i) + " is " +
                             std::to_string(static_cast<double>(data[i])) + ", not " +
                             std::to_string(static_cast<double>(right)));
  }
}

/// Counts that differ by rank and add up to `total`; the first ranks may get none.
std::vector<std::int64_t> uneven(std::int64_t total, int world) {
  std::vector<std::int64_t> counts(static_cast<std::size_t>(world));
  std::int64_t left = total;
  for (int r = 0; r + 1 < world; ++r) {
    counts[static_cast<std::size_t>(r)] = total * (r * 2) / (world * world + 1);
    left -= counts[static_cast<std::size_t>(r)];
  }
  counts.back() = left;
  return counts;
}

std::int64_t first_of(const std::vector<std::int64_t>& counts, int rank) {
  return std::accumulate(counts.begin(), counts.begin() + rank, std::int64_t{0});
}

template <class T>
class Checks {
 public:
  Checks(Communicator& group, const Arena& arena, Layout layout, std::int64_t count)
      : group_(group),
        arena_(arena),
        layout_(layout),
        count_(count),
        rank_(group.rank()),
        world_(group.world()) {}

  void run() const {
    for (const ReduceOp op : {ReduceOp::kSum, ReduceOp::kMin, ReduceOp::kMax}) {
      // The order of a large sum is what needs its size; the others are checked on small ones.
      if (op != ReduceOp::kSum && count_ > 10'000) continue;
      all_reduce(op);
      reduce(op);
      reduce_scatter(op, false);
      reduce_scatter(op, true);
    }
    all_gather(false);
    all_gather(true);
    broadcast();
    all_to_all();
  }

 private:
  std::string name(const char* operation) const {
    return std::string(operation) + " (" + kLayoutNames[static_cast<int>(layout_)] + ", rank " +
           std::to_string(rank_) + " of " + std::to_string(world_) + ")";
  }
  at::Tensor make(std::int64_t count, int place) const {
    return arena_.make<T>(layout_, count, place);
  }

  void all_reduce(ReduceOp op) const {
    const at::Tensor data = make(count_, 0);
    fill<T>(data, rank_, 0);
    wait(group_.all_reduce(data, op, Traffic::kStrategy));
    expect<T>(data, name("all_reduce"),
              [&](std::int64_t i) { return reference::reduced<T>(world_, i, op); });
  }

  void reduce(ReduceOp op) const {
    const int root = world_ - 1;
    const at::Tensor data = make(count_, 0);
    fill<T>(data, rank_, 0);
    wait(group_.reduce(data, root, op, Traffic::kModel));
    if (rank_ != root) return;
    expect<T>(data, name("reduce"),
              [&](std::int64_t i) { return reference::reduced<T>(world_, i, op); });
  }

  void reduce_scatter(ReduceOp op, bool in_place) const {
    const auto counts = uneven(count_, world_);
    const std::int64_t first = first_of(counts, rank_), own = counts[rank_at()];
    const at::Tensor input = make(count_, 0);
    fill<T>(input, rank_, 0);
    const at::Tensor output = in_place ? input.narrow(0, first, own) : make(own, 1);
    wait(group_.reduce_scatter(output, input, counts, op, Traffic::kStrategy));
    expect<T>(output, name("reduce_scatter"),
              [&](std::int64_t i) { return reference::reduced<T>(world_, first + i, op); });
  }

  void all_gather(bool in_place) const {
    const auto counts = uneven(count_, world_);
    const std::int64_t first = first_of(counts, rank_), own = counts[rank_at()];
    const at::Tensor output = make(count_, 0);
    fill<T>(output, world_ + rank_, 0);
    const at::Tensor input = in_place ? output.narrow(0, first, own) : make(own, 1);
    fill<T>(input, rank_, first);
    wait(group_.all_gather(output, input, counts, Traffic::kStrategy));
    for (int r = 0; r < world_; ++r) {
      const std::int64_t begin = first_of(counts, r);
      expect<T>(output.narrow(0, begin, counts[static_cast<std::size_t>(r)]), name("all_gather"),
                [&](std::int64_t i) { return reference::value<T>(r, begin + i); });
    }
  }

  void broadcast() const {
    const int root = world_ / 2;
    const at::Tensor data = make(count_, 0);
    fill<T>(data, rank_, 0);
    wait(group_.broadcast(data, root, Traffic::kHost));
    expect<T>(data, name("broadcast"),
              [&](std::int64_t i) { return reference::value<T>(root, i); });
  }

  /// Rank s sends (s + 2·r) % 5 fifths of count / world elements to rank r.
  void all_to_all() const {
    const auto size = [&](int sender, int receiver) {
      return count_ / world_ * ((sender + 2 * receiver) % 5) / 5;
    };
    std::vector<std::int64_t> sent, received;
    for (int r = 0; r < world_; ++r) {
      sent.push_back(size(rank_, r));
      received.push_back(size(r, rank_));
    }
    const at::Tensor input = make(first_of(sent, world_), 0);
    const at::Tensor output = make(first_of(received, world_), 1);
    fill<T>(input, rank_, 0);
    wait(group_.all_to_all(output, input, received, sent, Traffic::kModel));
    for (int r = 0; r < world_; ++r) {
      std::int64_t begin = 0;  // of what rank r sends to this one
      for (int q = 0; q < rank_; ++q) begin += size(r, q);
      expect<T>(output.narrow(0, first_of(received, r), received[static_cast<std::size_t>(r)]),
                name("all_to_all"),
                [&](std::int64_t i) { return reference::value<T>(r, begin + i); });
    }
  }

  std::size_t rank_at() const { return static_cast<std::size_t>(rank_); }

  Communicator& group_;
  const Arena& arena_;
  const Layout layout_;
  const std::int64_t count_;
  const int rank_, world_;
};

template <class T>
void check_type(Communicator& group, const Arena& arena, const std::vector<std::int64_t>& sizes) {
  for (const Layout layout : {Layout::kPlain, Layout::kShared, Layout::kShifted, Layout::kMixed}) {
    for (const std::int64_t count : sizes) Checks<T>(group, arena, layout, count).run();
  }
}

}  // namespace

void check_operations(Communicator& group, const std::vector<std::int64_t>& sizes) {
  const std::int64_t largest = *std::ranges::max_element(sizes);
  const Arena arena(group, 2 * (largest * 8 + 4096));
  check_type<float>(group, arena, sizes);
  check_type<c10::BFloat16>(group, arena, sizes);
  if (largest > 100'000) return;  // many chunks behave alike for every type; the rest costs seconds
  check_type<double>(group, arena, sizes);
  check_type<c10::Half>(group, arena, sizes);
  check_type<std::int64_t>(group, arena, sizes);
  check_type<std::uint8_t>(group, arena, sizes);
}

void check_asynchronous(Communicator& group) {
  constexpr std::int64_t kLarge = 200'000;
  const int world = group.world();
  std::vector<at::Tensor> tensors;
  std::vector<WorkHandle> works;
  const Arena arena(group, 2 * (kLarge * 4 + 4096));
  for (int round = 0; round < 30; ++round) {
    const std::int64_t count = round % 3 == 2 ? 100 : kLarge - round * 1000;
    const Layout layout = round == 10 ? Layout::kShared : Layout::kPlain;
    const at::Tensor data = arena.make<float>(layout, count, 0);
    fill<float>(data, group.rank(), round);
    works.push_back(group.all_reduce(data, ReduceOp::kSum, Traffic::kStrategy));
    tensors.push_back(data);
  }
  group.barrier(Traffic::kHost);
  for (int round = 29; round >= 0; --round) {
    wait(works[static_cast<std::size_t>(round)]);
    expect<float>(tensors[static_cast<std::size_t>(round)], "asynchronous all_reduce",
                  [&](std::int64_t i) {
                    return reference::reduced<float>(world, round + i, ReduceOp::kSum);
                  });
  }
}

std::string reduce_until_it_fails(Communicator& group) {
  const at::Tensor data = at::empty({500'000}, at::kFloat);
  fill<float>(data, group.rank(), 0);
  try {
    while (true) wait(group.all_reduce(data, ReduceOp::kMax, Traffic::kStrategy));
  } catch (const trainhost::Error& error) {
    return error.what();
  }
}

}  // namespace scenarios
