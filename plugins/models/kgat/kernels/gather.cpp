#include "kernels/gather.h"

#include <algorithm>
#include <cstring>

namespace kgat::simd {
namespace {

struct Segment {
  std::int32_t begin, end;
};

struct SumSegment {
  template <class Isa>
  KGAT_INLINE void run(const Sparse* matrix, Segment segment, const float* x,
                       std::ptrdiff_t columns, EdgeBuffer* buffer, float* out) {
    std::memset(out, 0, static_cast<std::size_t>(columns) * sizeof(float));
    const std::int64_t count = select_edges(*matrix, segment.begin, segment.end, *buffer, 0);
    const EdgeList edges{buffer->rows.data(), buffer->weights.data(), count};
    gather<Isa>(x, columns, edges, 0, count, out);
  }
};

/// Rows [begin, end) of out += matrix · x.
struct AddChunk {
  template <class Isa>
  KGAT_INLINE void run(const Sparse* matrix, const Level* rows, std::int32_t begin,
                       std::int32_t end, const float* hubs, const float* x, std::ptrdiff_t columns,
                       EdgeBuffer* buffer, float* out) {
    for (std::int32_t block = begin; block < end; block += kBlockRows) {
      const std::int32_t stop = std::min(block + kBlockRows, end);
      const BlockEdges edges = block_edges(*matrix, *rows, block, stop, *buffer);
      for (std::int32_t row = block; row < stop; ++row) {
        gather_row<Isa>(edges, *rows, row, row - block, hubs, x, columns, out + row * columns);
      }
    }
  }
};

}  // namespace

std::vector<float> gather_hubs(const Sparse& matrix, const Level& rows, const float* x,
                               std::ptrdiff_t columns) {
  const Graph& graph = *matrix.graph;
  std::vector<Segment> segments;
  std::vector<std::size_t> first_segment;
  for (const std::int32_t row : rows.hubs) {
    const auto node = static_cast<std::size_t>(rows.node(row));
    first_segment.push_back(segments.size());
    for (std::int32_t e = graph.offsets[node]; e < graph.offsets[node + 1]; e += kHubDegree) {
      segments.push_back({e, std::min(e + kHubDegree, graph.offsets[node + 1])});
    }
  }
  first_segment.push_back(segments.size());

  const auto width = static_cast<std::size_t>(columns);
  std::vector<float> partial(segments.size() * width), sums(rows.hubs.size() * width, 0.0F);
#pragma omp parallel if (!segments.empty())
  {
    EdgeBuffer buffer;
#pragma omp for schedule(dynamic, 1)
    for (std::size_t s = 0; s < segments.size(); ++s) {
      dispatch<SumSegment>(&matrix, segments[s], x, columns, &buffer, partial.data() + s * width);
    }
  }
  for (std::size_t hub = 0; hub < rows.hubs.size(); ++hub) {
    for (std::size_t s = first_segment[hub]; s < first_segment[hub + 1]; ++s) {
      for (std::size_t c = 0; c < width; ++c) sums[hub * width + c] += partial[s * width + c];
    }
  }
  return sums;
}

void gather_add(const Sparse& matrix, const Level& rows, const float* x, std::ptrdiff_t columns,
                float* out) {
  const std::vector<float> hubs = gather_hubs(matrix, rows, x, columns);
#pragma omp parallel
  {
    EdgeBuffer buffer;
#pragma omp for schedule(dynamic, 1)
    for (std::int32_t chunk = 0; chunk < rows.n_chunks(); ++chunk) {
      const auto at = static_cast<std::size_t>(chunk);
      dispatch<AddChunk>(&matrix, &rows, rows.chunks[at], rows.chunks[at + 1], hubs.data(), x,
                         columns, &buffer, out);
    }
  }
}

}  // namespace kgat::simd
