#include "sbert/embedder.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/linalg_vector_norm.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <vector>

namespace sbert {
namespace {

using trainhost::Execution;

/// Tokens of a batch: enough for a device to be busy, activations of some megabytes a layer.
constexpr std::int64_t kTokensAtOnce = 4096;

/// Batches of texts of similar length: order[begins[b] … begins[b + 1]).
struct Batches {
  std::vector<std::int64_t> order, begins{0};

  std::int64_t size() const { return static_cast<std::int64_t>(begins.size()) - 1; }
  std::span<const std::int64_t> of(std::int64_t batch) const {
    const auto b = static_cast<std::size_t>(batch);
    return {order.data() + begins[b], static_cast<std::size_t>(begins[b + 1] - begins[b])};
  }
};

Batches by_length(const TextList& texts) {
  Batches out;
  out.order.resize(static_cast<std::size_t>(texts.size));
  std::iota(out.order.begin(), out.order.end(), std::int64_t{0});
  std::ranges::stable_sort(out.order, [&](std::int64_t left, std::int64_t right) {
    return texts.tokens(left).size() > texts.tokens(right).size();
  });
  std::int64_t tokens = 0;
  for (std::size_t i = 0; i < out.order.size(); ++i) {
    const auto length = static_cast<std::int64_t>(texts.tokens(out.order[i]).size());
    if (tokens > 0 && tokens + length > kTokensAtOnce) {
      out.begins.push_back(static_cast<std::int64_t>(i));
      tokens = 0;
    }
    tokens += length;
  }
  if (texts.size > 0) out.begins.push_back(texts.size);
  return out;
}

bert::Packed pack_some(const TextList& texts, std::span<const std::int64_t> which) {
  std::vector<std::span<const std::int32_t>> spans;
  for (const std::int64_t text : which) spans.push_back(texts.tokens(text));
  // Keys name sequences for dropout, of which there is none here.
  return bert::pack(spans, std::vector<std::uint64_t>(spans.size(), 0));
}

/// Rows in the order of the texts, from those of the ranks one after the other.
at::Tensor in_order(const at::Tensor& rows, const Batches& batches, int world) {
  at::Tensor out = at::empty_like(rows);
  const std::int64_t columns = rows.size(1);
  const auto* from = rows.const_data_ptr<float>();
  auto* to = out.mutable_data_ptr<float>();
  for (int rank = 0; rank < world; ++rank) {
    for (std::int64_t batch = rank; batch < batches.size(); batch += world) {
      for (const std::int64_t text : batches.of(batch)) {
        std::memcpy(to + text * columns, from, static_cast<std::size_t>(columns) * sizeof(float));
        from += columns;
      }
    }
  }
  return out;
}

}  // namespace

at::Tensor Embedder::encode(const bert::Packed& packed, std::uint32_t step,
                            Execution& execution) const {
  const at::Tensor hidden = encoder_.encode(packed, step, execution);
  const auto& poolings = directory_.poolings;
  if (poolings.size() == 1) {
    return bert::pool(hidden, packed, poolings.front(), directory_.normalise);
  }
  std::vector<at::Tensor> parts;
  for (const bert::Pooling pooling : poolings) {
    parts.push_back(bert::pool(hidden, packed, pooling, /*normalise=*/false));
  }
  const at::Tensor whole = at::cat(parts, 1);
  if (!directory_.normalise) return whole;
  return whole.div(at::linalg_vector_norm(whole, 2, {1}, /*keepdim=*/true).clamp_min(1e-12));
}

at::Tensor Embedder::embed(const TextList& texts, Execution& execution,
                           const Progress& progress) const {
  const Batches batches = by_length(texts);
  const int rank = execution.rank(), world = execution.world();
  const std::int64_t rounds = (batches.size() + world - 1) / world;
  std::vector<at::Tensor> mine;
  std::int64_t done = 0;
  for (std::int64_t round = 0; round < rounds; ++round) {
    const std::int64_t batch = round * world + rank;
    const auto which = batch < batches.size() ? batches.of(batch) : std::span<const std::int64_t>();
    const bert::Packed packed = bert::to_device(pack_some(texts, which), execution.device());
    const at::Tensor some = encode(packed, 0, execution);
    if (!which.empty()) mine.push_back(some);
    const std::int64_t reached = std::min(batches.size(), (round + 1) * world);
    done = batches.begins[static_cast<std::size_t>(reached)];
    if (progress) progress(done, texts.size);
  }
  const at::TensorOptions options = at::TensorOptions(at::kFloat).device(execution.device());
  at::Tensor rows = mine.empty() ? at::empty({0, directory_.dimension()}, options) : at::cat(mine);
  if (world > 1) {
    std::vector<std::int64_t> rows_of(static_cast<std::size_t>(world), 0);
    for (std::int64_t batch = 0; batch < batches.size(); ++batch) {
      rows_of[static_cast<std::size_t>(batch % world)] +=
          static_cast<std::int64_t>(batches.of(batch).size());
    }
    rows = execution.all_gather(rows, rows_of);
  }
  return in_order(rows.to(at::kCPU).contiguous(), batches, world);
}

}  // namespace sbert
