#include "frontier.h"

#include <algorithm>
#include <atomic>
#include <utility>

namespace kgat {
namespace {

constexpr std::int64_t kMaxChunks = 64;
constexpr std::int64_t kRowsPerChunk = 96;  // at least: a chunk has its own weight gradients
constexpr std::int64_t kRowWork = 16;       // the dense part of a row costs about so many edges
constexpr double kNearlyAll = 0.9;

void cut(const Graph& graph, Level& level) {
  std::int64_t work = 0;
  for (std::int32_t row = 0; row < level.size; ++row) {
    const std::int32_t degree = graph.degree(level.node(row));
    work += kRowWork + degree;
    if (degree > kHubDegree) level.hubs.push_back(row);
  }
  const std::int64_t n_chunks = std::clamp<std::int64_t>(level.size / kRowsPerChunk, 1, kMaxChunks);
  level.chunks.push_back(0);
  std::int64_t done = 0;
  for (std::int32_t row = 0; row < level.size; ++row) {
    done += kRowWork + graph.degree(level.node(row));
    if (done * n_chunks >= work * static_cast<std::int64_t>(level.chunks.size())) {
      level.chunks.push_back(row + 1);
    }
  }
  level.chunks.back() = level.size;
}

}  // namespace

Level Level::everything(const Graph& graph) {
  Level level;
  level.all = true;
  level.size = graph.n_nodes;
  cut(graph, level);
  return level;
}

Level Level::of(const Graph& graph, std::vector<std::int32_t> nodes) {
  Level level;
  level.rows = std::move(nodes);
  level.size = static_cast<std::int32_t>(level.rows.size());
  level.position.assign(static_cast<std::size_t>(graph.n_nodes), -1);
  for (std::int32_t row = 0; row < level.size; ++row) {
    level.position[static_cast<std::size_t>(level.node(row))] = row;
  }
  cut(graph, level);
  return level;
}

FrontierBuilder::FrontierBuilder(const Graph& graph)
    : graph_(&graph), everything_(std::make_shared<const Level>(Level::everything(graph))) {}

Frontier FrontierBuilder::build(std::span<const std::int32_t> nodes, int n_layers) const {
  std::vector<std::int32_t> batch(nodes.begin(), nodes.end());
  std::sort(batch.begin(), batch.end());
  batch.erase(std::unique(batch.begin(), batch.end()), batch.end());

  Frontier out;
  out.levels.resize(static_cast<std::size_t>(n_layers) + 1);
  out.levels.back() = std::make_shared<const Level>(Level::of(*graph_, std::move(batch)));
  for (std::size_t layer = out.levels.size() - 1; layer-- > 1;) {
    out.levels[layer] = widen(*out.levels[layer + 1]);
  }
  if (n_layers > 0) out.levels[0] = everything_;
  return out;
}

Frontier FrontierBuilder::whole(int n_layers) const {
  return {std::vector(static_cast<std::size_t>(n_layers) + 1, everything_)};
}

std::shared_ptr<const Level> FrontierBuilder::widen(const Level& level) const {
  if (level.all) return everything_;
  std::vector<std::uint8_t> marked(static_cast<std::size_t>(graph_->n_nodes), 0);
#pragma omp parallel for schedule(dynamic, 256)
  for (std::int32_t row = 0; row < level.size; ++row) {
    const auto node = static_cast<std::size_t>(level.node(row));
    const auto mark = [&](std::size_t at) {
      std::atomic_ref(marked[at]).store(1, std::memory_order_relaxed);
    };
    mark(node);
    for (std::int32_t e = graph_->offsets[node]; e < graph_->offsets[node + 1]; ++e) {
      mark(static_cast<std::size_t>(graph_->tails[static_cast<std::size_t>(e)]));
    }
  }
  const auto count = std::count(marked.begin(), marked.end(), 1);
  if (static_cast<double>(count) > kNearlyAll * graph_->n_nodes) return everything_;
  std::vector<std::int32_t> nodes;
  nodes.reserve(static_cast<std::size_t>(count));
  for (std::int32_t node = 0; node < graph_->n_nodes; ++node) {
    if (marked[static_cast<std::size_t>(node)] != 0) nodes.push_back(node);
  }
  return std::make_shared<const Level>(Level::of(*graph_, std::move(nodes)));
}

}  // namespace kgat
