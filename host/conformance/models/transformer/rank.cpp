#include "rank.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/matmul.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <vector>

#include "data.h"
#include "declare.h"
#include "encoder.h"

namespace transformer {
namespace {

using namespace trainhost;

constexpr double kSharpness = 20;    // the factor of the cosines
constexpr std::int64_t kGroup = 16;  // rows that are evaluated together

/// In-batch negatives over all ranks: row i of this rank's anchors belongs to its own positive
/// among all ranks' positives (sum of the cross entropies of 20 · cosine).  [collective]
at::Tensor contrastive_sum(const at::Tensor& anchors, const at::Tensor& positives,
                           std::span<const std::int64_t> rows_of, Execution& execution) {
  const at::Tensor all = execution.all_gather(normalised(positives), rows_of);
  std::int64_t before = 0;
  for (int r = 0; r < execution.rank(); ++r) before += rows_of[static_cast<std::size_t>(r)];
  const at::Tensor logits = at::matmul(normalised(anchors), all.t()) * kSharpness;
  const at::Tensor labels = at::arange(before, before + anchors.size(0),
                                       at::TensorOptions(at::kLong).device(all.device()));
  return cross_entropy(logits, labels);
}

/// The process keeps the memory it has, and gets enough for the stacks of some threads.
void starve() {
  constexpr std::uint64_t kThreads = std::uint64_t{60} << 20;
  std::uint64_t pages = 0;
  std::ifstream statm("/proc/self/statm");
  for (int field = 0; field < 6; ++field) statm >> pages;
  const rlim_t most = pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) + kThreads;
  const rlimit limit{most, most};
  ::setrlimit(RLIMIT_DATA, &limit);
}

constexpr std::int64_t kGreed = std::int64_t{1} << 20;  // bytes of a row

class TransformerRank : public ModelRank {
 public:
  TransformerRank(const Settings& settings, std::uint64_t seed, int rank, int world)
      : settings_(settings), seed_(seed), rank_(rank), world_(world) {
    UnitSpec unit;
    if (settings.batch_norm) norm_.emplace(declare_norm(settings, unit));
  }

  std::unique_ptr<BatchSource> batches(int) override { return make_batches(settings_, seed_); }

  Loss loss(int, const Batch& batch, Execution& execution) override {
    if (rank_ == settings_.starved_rank && batch.slice.global_step == 0) starve();
    const auto weight = static_cast<double>(batch.rows());
    switch (settings_.task) {
      case Task::kClassify:
        return {classify(batch, execution), weight};
      case Task::kContrastive:
        return {contrastive(batch, execution), weight};
      case Task::kGradCache:
        break;
    }
    return {grad_cache(batch, execution), weight};
  }

  bool split_work(int) override {
    if (settings_.task != Task::kGradCache || mini_batch_ == 1) return false;
    mini_batch_ = (mini_batch_ + 1) / 2;
    return true;
  }

  /// The centre of an epoch is the mean of the pooled rows of the one before.
  void end_epoch(std::int64_t, Execution& execution) override {
    execution.run(head_unit(settings_),
                  [](const UnitTensors& unit, const Tensors&) {
                    const at::Tensor mean = unit.buffer(kPooledSum) / unit.buffer(kPooledCount);
                    unit.buffer(kCentre).copy_(mean);
                    unit.buffer(kPooledSum).zero_();
                    unit.buffer(kPooledCount).zero_();
                    return Tensors{};
                  },
                  {});
  }

  Evaluation evaluate(Execution& execution) override;

 private:
  Sequences sequences(const Batch& batch, bool second, std::int64_t begin, std::int64_t end) const;
  Sequences sequences(const Batch& batch, bool second = false) const {
    return sequences(batch, second, 0, batch.rows());
  }

  at::Tensor classify(const Batch& batch, Execution& execution);
  at::Tensor contrastive(const Batch& batch, Execution& execution);
  at::Tensor grad_cache(const Batch& batch, Execution& execution);
  at::Tensor pairs_loss(const at::Tensor& anchors, const at::Tensor& positives,
                        std::span<const std::int64_t> rows_of, Execution& execution) const;
  at::Tensor standardised(const at::Tensor& pooled, std::span<const std::int64_t> rows_of,
                          Execution& execution) const {
    return norm_ ? norm_->apply(pooled, rows_of, execution) : pooled;
  }
  void remember(const at::Tensor& pooled, Execution& execution);
  std::int64_t correct_of(const Tensors& rows, Execution& execution) const;

  const Settings settings_;
  const std::uint64_t seed_;
  const int rank_, world_;
  std::optional<SyncBatchNorm> norm_;
  std::int64_t mini_batch_ = settings_.mini_batch;
};

Sequences TransformerRank::sequences(const Batch& batch, bool second, std::int64_t begin,
                                     std::int64_t end) const {
  const at::Tensor& ids = batch.tensors[second ? kPositives : kTokens];
  return {ids.narrow(0, begin, end - begin), batch.tensors[kLabels].narrow(0, begin, end - begin),
          batch.slice.global_step, batch.slice.begin + begin, second};
}

at::Tensor TransformerRank::classify(const Batch& batch, Execution& execution) {
  Encoder encoder(settings_, execution);
  const at::Tensor x = encoder.encode(sequences(batch));
  const Pooled pooled = encoder.pool(x, true);
  remember(pooled.values, execution);
  const at::Tensor greed = at::empty({rank_ == settings_.greedy_rank ? batch.rows() * kGreed : 0},
                                     at::TensorOptions(at::kByte));
  return cross_entropy(pooled.logits, batch.tensors[kLabels]) +
         encoder.masked_loss(x, batch.tensors[kPlaces], batch.tensors[kWanted]);
}

at::Tensor TransformerRank::pairs_loss(const at::Tensor& anchors, const at::Tensor& positives,
                                       std::span<const std::int64_t> rows_of,
                                       Execution& execution) const {
  const at::Tensor first = standardised(anchors, rows_of, execution);
  return contrastive_sum(first, standardised(positives, rows_of, execution), rows_of, execution);
}

at::Tensor TransformerRank::contrastive(const Batch& batch, Execution& execution) {
  Encoder encoder(settings_, execution);
  const at::Tensor x = encoder.encode(sequences(batch));
  const at::Tensor anchors = encoder.pool(x, false).values;
  const at::Tensor positives = encoder.pool(encoder.encode(sequences(batch, true)), false).values;
  remember(anchors, execution);
  return pairs_loss(anchors, positives, batch.slice.rows_of, execution) +
         encoder.masked_loss(x, batch.tensors[kPlaces], batch.tensors[kWanted]);
}

/// Gao, Zhang, Han, Callan: "Scaling Deep Contrastive Learning Batch Size under Memory Limited
/// Setup", 2021: the embeddings without a graph, the loss down to them, then each mini-batch again
/// with a graph and the embeddings' gradients.
at::Tensor TransformerRank::grad_cache(const Batch& batch, Execution& execution) {
  Encoder encoder(settings_, execution);
  const std::int64_t size = mini_batch_;
  // From the largest slice of any rank, so that all make as many calls.
  const std::int64_t count =
      std::max<std::int64_t>(1, (std::ranges::max(batch.slice.rows_of) + size - 1) / size);
  const auto cut = [&](std::int64_t i) { return std::min(batch.rows(), i * size); };
  const auto part = [&](std::int64_t i, bool second) {
    return sequences(batch, second, cut(i), cut(i + 1));
  };
  Tensors embeddings[2];
  for (std::int64_t i = 0; i < count; ++i) {
    const at::NoGradGuard no_graph;
    for (const bool second : {false, true}) {
      embeddings[second].push_back(encoder.pool(encoder.encode(part(i, second)), false).values);
    }
  }
  const at::Tensor anchors = at::cat(embeddings[0]).requires_grad_(true);
  const at::Tensor positives = at::cat(embeddings[1]).requires_grad_(true);
  remember(anchors, execution);
  const at::Tensor loss = pairs_loss(anchors, positives, batch.slice.rows_of, execution);
  execution.backward({loss}, {}, false);
  at::Tensor total = loss.detach();
  for (std::int64_t i = 0; i < count; ++i) {
    const auto rows = [&](const at::Tensor& all) {
      return all.narrow(0, cut(i), cut(i + 1) - cut(i));
    };
    const at::Tensor x = encoder.encode(part(i, false));
    const at::Tensor masked = encoder.masked_loss(
        x, rows(batch.tensors[kPlaces]) - cut(i) * settings_.tokens, rows(batch.tensors[kWanted]));
    Tensors outputs{encoder.pool(x, false).values,
                    encoder.pool(encoder.encode(part(i, true)), false).values};
    Tensors gradients{rows(anchors.grad()), rows(positives.grad())};
    if (masked.requires_grad()) {
      outputs.push_back(masked);
      gradients.emplace_back();
    }
    execution.backward(outputs, gradients, i + 1 == count);
    total = total + masked.detach();
  }
  return total;
}

/// Adds the rows of all ranks to the head's running sums. A unit function of its own, for one that
/// is differentiated may run twice.
void TransformerRank::remember(const at::Tensor& pooled, Execution& execution) {
  const at::Tensor mine = pooled.detach().to(at::kCPU, at::kDouble).sum(0);
  const double* values = mine.const_data_ptr<double>();
  std::vector<double> sums(values, values + mine.numel());
  sums.push_back(static_cast<double>(pooled.size(0)));
  execution.sum_over_ranks(sums);
  const at::NoGradGuard no_graph;
  execution.run(head_unit(settings_),
                [&](const UnitTensors& unit, const Tensors&) {
                  const at::Tensor& sum = unit.buffer(kPooledSum);
                  sum.add_(at::from_blob(sums.data(), {sum.numel()}, at::kDouble).to(sum.device()));
                  unit.buffer(kPooledCount).add_(sums.back());
                  return Tensors{};
                },
                {});
}

/// Of one group of held-out rows: labels that were hit; pairs whose positive is the nearest.
std::int64_t TransformerRank::correct_of(const Tensors& rows, Execution& execution) const {
  Encoder encoder(settings_, execution);
  const Sequences first{rows[kTokens], rows[kLabels], 0, 0, false};
  const bool classify = settings_.task == Task::kClassify;
  const bool empty = first.rows() == 0;
  const Pooled pooled = encoder.pool(encoder.encode(first), classify);
  if (classify && empty) return 0;
  if (classify) return pooled.logits.argmax(1).eq(rows[kLabels]).sum().item<std::int64_t>();
  const Sequences second{rows[kPositives], rows[kLabels], 0, 0, true};
  const Pooled pairs = encoder.pool(encoder.encode(second), false);
  const at::Tensor anchors = normalised(standardised(pooled.values, {}, execution));
  const at::Tensor positives = normalised(standardised(pairs.values, {}, execution));
  if (empty) return 0;
  const at::Tensor scores = at::matmul(anchors, positives.t());
  const at::Tensor own =
      at::arange(scores.size(0), at::TensorOptions(at::kLong).device(scores.device()));
  return scores.argmax(1).eq(own).sum().item<std::int64_t>();
}

Evaluation TransformerRank::evaluate(Execution& execution) {
  const Random random(seed_, "transformer.held_out");
  double sums[2] = {0, 0};
  const std::int64_t groups = (settings_.held_out + kGroup - 1) / kGroup;
  const std::int64_t rounds = (groups + world_ - 1) / world_;
  for (std::int64_t round = 0; round < rounds; ++round) {
    const std::int64_t begin = std::min(settings_.held_out, (round * world_ + rank_) * kGroup);
    const std::int64_t end = std::min(settings_.held_out, begin + kGroup);
    Tensors rows = make_rows(settings_, random, 0, begin, end);
    for (at::Tensor& tensor : rows) tensor = tensor.to(execution.device());
    sums[0] += static_cast<double>(correct_of(rows, execution));
    sums[1] += static_cast<double>(end - begin);
  }
  execution.sum_over_ranks(sums);
  const double trivial = settings_.task == Task::kClassify
                             ? 1.0 / static_cast<double>(settings_.classes)
                             : 1.0 / kGroup;
  return {{{"accuracy", sums[0] / sums[1], trivial}}, "accuracy", true};
}

}  // namespace

std::unique_ptr<ModelRank> make_rank(const Settings& settings, std::uint64_t seed, int rank,
                                     int world) {
  return std::make_unique<TransformerRank>(settings, seed, rank, world);
}

}  // namespace transformer
