// Samplers: the rows of a step's global batch, each a function of its position alone.
//
// Row p of step s is the same whoever asks for it and however the batch is cut: ranks and
// micro-batches take slices, a loader thread works ahead, a resumed run goes on where it was.
#pragma once

#include <cstdint>
#include <vector>

#include "graph.h"
#include "interactions.h"
#include "kernels/bprmf_step.h"
#include "trainhost/random.h"

namespace kgat {

/// A permutation of [0, size) that is computed point by point: a Feistel network on the next power
/// of two, walked until the value falls into the range (Black and Rogaway 2002).
class Permutation {
 public:
  Permutation(std::uint32_t size, trainhost::Philox::Key key);
  std::uint32_t operator()(std::uint32_t position) const;

 private:
  std::uint32_t size_;
  int low_bits_, high_bits_;
  trainhost::Philox::Key key_;
};

/// A slice of a CF batch: user NODES are n_entities + user in the graph; here users and items.
struct CfBatch {
  std::vector<std::int32_t> users, positives, negatives;
};

/// Purpose: users, one of their items, one item that is not theirs. Within a step's global batch
/// users do not repeat, unless the batch exceeds their number: then they are drawn with
/// replacement. Owner: borrows the interactions. Threads and ranks: immutable, any thread.
class CfSampler {
 public:
  CfSampler(const Interactions& train, std::int32_t n_items, std::uint64_t seed);

  /// Rows [begin, end) of the global batch of `batch` rows of step `step` (counted over the run).
  void sample(std::uint32_t step, std::int64_t batch, std::int64_t begin, std::int64_t end,
              CfBatch& out) const;
  /// n_train // batch + 1, as the paper's code counts.
  std::int64_t steps_per_epoch(std::int64_t batch) const { return train_->size() / batch + 1; }
  std::size_t n_users() const { return users_.size(); }

 private:
  const Interactions* train_;
  std::int32_t n_items_;
  trainhost::Random random_;
  std::vector<std::int32_t> users_;  // those that have a positive and a negative item
};

/// Purpose: every training interaction once an epoch in a seeded order, with a negative item: what
/// BPR-MF learns from. Owner: borrows the interactions. Threads: immutable, any.
class PairSampler {
 public:
  PairSampler(const Interactions& train, std::int32_t n_items, std::uint64_t seed);

  std::int64_t size() const { return train_->size(); }
  /// Places [begin, end) of the epoch's order. Users who have chosen every item are left out.
  void sample(std::uint32_t epoch, std::int64_t begin, std::int64_t end,
              std::vector<BprSample>& out) const;

 private:
  const Interactions* train_;
  std::int32_t n_items_;
  trainhost::Random random_;
  std::vector<std::int32_t> user_of_;  // [size] the user of an interaction
};

/// A slice of a KG batch, in node ids.
struct KgBatch {
  std::vector<std::int32_t> heads, relations, positives, negatives;
};

/// Purpose: a head, one of its edges (interactions included), and a node that is no tail of the
/// same head and relation. Owner: borrows the graph. Threads and ranks: immutable, any thread.
class KgSampler {
 public:
  KgSampler(const Graph& graph, std::uint64_t seed);

  void sample(std::uint32_t step, std::int64_t begin, std::int64_t end, KgBatch& out) const;
  /// n_edges // batch + 1
  std::int64_t steps_per_epoch(std::int64_t batch) const { return graph_->n_edges() / batch + 1; }

 private:
  const Graph* graph_;
  trainhost::Random random_;
};

}  // namespace kgat
