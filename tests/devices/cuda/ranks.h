// Ranks of a test as threads, and what every communicator must do with them.
#pragma once

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "cuda/operation.h"
#include "cuda/rank_order.h"
#include "trainhost/abort.h"
#include "trainhost/communicator.h"
#include "trainhost/random.h"

namespace ranks_of_test {

using trainhost::Communicator;
using trainhost::ReduceOp;

constexpr auto kTag = trainhost::Traffic::kStrategy;

/// N ranks as threads; run() gives what each threw, or "".
class Ranks {
 public:
  using Maker = std::function<std::unique_ptr<Communicator>(int rank)>;

  Ranks() = default;
  Ranks(int world, const Maker& make) { fill(world, make); }

  trainhost::AbortSignal signal() { return trainhost::AbortSignal(word_); }
  Communicator& end(int rank) { return *ends_[static_cast<std::size_t>(rank)]; }
  int world() const { return static_cast<int>(ends_.size()); }
  std::vector<std::unique_ptr<Communicator>>& ends() { return ends_; }

  template <class Body>
  std::vector<std::string> run(Body&& body) {
    std::vector<std::string> errors(ends_.size());
    {
      std::vector<std::jthread> threads;
      for (std::size_t r = 0; r < ends_.size(); ++r) {
        threads.emplace_back([&, r] {
          try {
            body(*ends_[r]);
          } catch (const std::exception& error) {
            errors[r] = error.what();
          }
        });
      }
    }
    return errors;
  }

 protected:
  void fill(int world, const Maker& make) {
    for (int rank = 0; rank < world; ++rank) ends_.push_back(make(rank));
  }

 private:
  std::atomic<std::uint32_t> word_{0};
  std::vector<std::unique_ptr<Communicator>> ends_;
};

inline bool fine(const std::vector<std::string>& errors) {
  for (const std::string& error : errors) {
    if (!error.empty()) UNSCOPED_INFO(error);
  }
  return std::ranges::all_of(errors, &std::string::empty);
}

/// What rank `rank` brings: different on every rank, not whole numbers.
inline at::Tensor data_of(int rank, std::int64_t count, at::ScalarType type = at::kFloat) {
  at::Tensor out = at::empty({count}, at::kFloat);
  auto draws = trainhost::Random(7, "data").at(0, 0, static_cast<std::uint64_t>(rank));
  float* values = out.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < count; ++i) values[i] = 100 * draws.uniform();
  return out.to(type);
}

inline at::Tensor expected(int world, std::int64_t count, ReduceOp op,
                           at::ScalarType type = at::kFloat) {
  std::vector<at::Tensor> all;
  for (int rank = 0; rank < world; ++rank) all.push_back(data_of(rank, count, type));
  return cuda::reduce_in_rank_order(all, op);
}

inline bool same(const at::Tensor& a, const at::Tensor& b) { return a.equal(b); }

/// Uneven counts, one of them 0 where there are enough ranks.
inline std::vector<std::int64_t> uneven(int world) {
  std::vector<std::int64_t> out;
  for (int rank = 0; rank < world; ++rank) out.push_back(rank == 1 ? 0 : 5 + 7 * rank);
  return out;
}

/// reduce_scatter and all_gather of these counts, apart and in place. 4 a rank.
inline int right_parts(Communicator& end, const std::vector<std::int64_t>& counts,
                       at::ScalarType type = at::kFloat) {
  const auto me = static_cast<std::size_t>(end.rank());
  const auto offsets = cuda::offsets_of(counts);
  const std::int64_t total = offsets.back();
  const at::Tensor sum = expected(end.world(), total, ReduceOp::kSum, type);
  const auto part = [&](const at::Tensor& of) { return of.narrow(0, offsets[me], counts[me]); };
  const auto zeros = [&](std::int64_t count) { return at::zeros({count}, type); };
  const at::Tensor input = data_of(end.rank(), total, type), output = zeros(counts[me]);
  int right = 0;
  wait(end.reduce_scatter(output, input, counts, ReduceOp::kSum, kTag));
  right += same(output, part(sum));
  const at::Tensor again = data_of(end.rank(), total, type);
  wait(end.reduce_scatter(part(again), again, counts, ReduceOp::kSum, kTag));
  right += same(part(again), part(sum));
  const at::Tensor apart = zeros(total), in_place = zeros(total);
  wait(end.all_gather(apart, output, counts, kTag));
  right += same(apart, sum);
  part(in_place).copy_(output);
  wait(end.all_gather(in_place, part(in_place), counts, kTag));
  return right + same(in_place, sum);
}

/// Rank r sends r + 1 elements of value 10 r + s to rank s, and nothing to rank 0. World + 1 a
/// rank.
inline int right_exchange(Communicator& end) {
  at::Tensor data = data_of(end.rank(), 40);
  wait(end.broadcast(data, end.world() - 1, kTag));
  int right = same(data, data_of(end.world() - 1, 40));
  const int me = end.rank(), world = end.world();
  std::vector<std::int64_t> sent(static_cast<std::size_t>(world), me + 1), received;
  sent[0] = 0;
  for (int from = 0; from < world; ++from) received.push_back(me == 0 ? 0 : from + 1);
  const auto from_me = cuda::offsets_of(sent), to_me = cuda::offsets_of(received);
  const at::Tensor input = at::zeros({from_me.back()}), output = at::zeros({to_me.back()});
  for (int to = 1; to < world; ++to) {
    const auto at = static_cast<std::size_t>(to);
    input.narrow(0, from_me[at], sent[at]).fill_(10 * me + to);
  }
  wait(end.all_to_all(output, input, received, sent, kTag));
  for (int from = 0; from < world; ++from) {
    const auto at = static_cast<std::size_t>(from);
    right += same(output.narrow(0, to_me[at], received[at]),
                  at::full({received[at]}, 10.0F * from + me));
  }
  return right;
}

/// Least, largest, and a sum of which only the root's result counts. 3 a rank.
inline int right_reductions(Communicator& end, at::ScalarType type = at::kFloat) {
  const int world = end.world(), root = world - 1;
  at::Tensor least = data_of(end.rank(), 50, type), largest = least.clone(), sum = least.clone();
  wait(end.all_reduce(least, ReduceOp::kMin, kTag));
  wait(end.all_reduce(largest, ReduceOp::kMax, kTag));
  wait(end.reduce(sum, root, ReduceOp::kSum, kTag));
  return same(least, expected(world, 50, ReduceOp::kMin, type)) +
         same(largest, expected(world, 50, ReduceOp::kMax, type)) +
         (end.rank() != root || same(sum, expected(world, 50, ReduceOp::kSum, type)));
}

/// All of the above in one go; true where all is right on every rank, sums in rank order.
inline bool all_is_right(Ranks& ranks, at::ScalarType type = at::kFloat) {
  const int world = ranks.world();
  std::atomic<int> right{0};
  const std::vector<std::int64_t> even(static_cast<std::size_t>(world), 6);
  const auto errors = ranks.run([&](Communicator& end) {
    for (const std::int64_t count : {0, 1, 100, 1000}) {
      at::Tensor data = data_of(end.rank(), count, type);
      wait(end.all_reduce(data, ReduceOp::kSum, kTag));
      right += same(data, expected(world, count, ReduceOp::kSum, type));
    }
    right += right_reductions(end, type);
    right += right_parts(end, uneven(world), type) + right_parts(end, even, type);
    right += right_exchange(end);
    end.barrier(kTag);
  });
  UNSCOPED_INFO(right << " right of " << world * (4 + 3 + 8 + 1 + world));
  return fine(errors) && right == world * (4 + 3 + 8 + 1 + world);
}

}  // namespace ranks_of_test
