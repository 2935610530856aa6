// Products with a matrix of their own for each group of rows (TransR, equation 1): the projection,
// its backward, and the gradient of the matrices.
//
// A block makes a tile of 64 rows by 64 columns, a thread 4 by 4 of it, from panels of 16 in shared
// memory. Rows of one relation lie side by side, so each panel of the matrix serves 64 rows.
#include "gpu/launch.h"

namespace kgat::gpu {
namespace {

constexpr int kTile = kTileRows, kPanel = 16, kEach = 4, kAcross = kTile / kEach;
static_assert(kAcross * kAcross == kThreads);

struct Panels {
  float a[kPanel][kTile + kEach];  // padded: columns of a tile are written side by side
  float b[kPanel][kTile + kEach];
};

/// sum += aᵀ b of the panels in shared memory, for the thread's 4 by 4.
__device__ void multiply(const Panels& panels, int depth, float (&sum)[kEach][kEach]) {
  const int row = static_cast<int>(threadIdx.x) / kAcross * kEach;
  const int column = static_cast<int>(threadIdx.x) % kAcross * kEach;
  for (int k = 0; k < depth; ++k) {
    float left[kEach], right[kEach];
    for (int i = 0; i < kEach; ++i) left[i] = panels.a[k][row + i];
    for (int j = 0; j < kEach; ++j) right[j] = panels.b[k][column + j];
    for (int i = 0; i < kEach; ++i) {
      for (int j = 0; j < kEach; ++j) sum[i][j] += left[i] * right[j];
    }
  }
}

__global__ void __launch_bounds__(kThreads) grouped_product_kernel(GroupedProduct work) {
  __shared__ Panels panels;
  const Block block = work.blocks[blockIdx.x];
  const std::int32_t rows = block.end - block.begin;
  const auto first_column = static_cast<std::int32_t>(blockIdx.y) * kTile;
  const float* b = work.b + static_cast<std::int64_t>(block.group) * work.inner * work.columns;
  const int thread = static_cast<int>(threadIdx.x);
  float sum[kEach][kEach] = {};
  for (std::int32_t k0 = 0; k0 < work.inner; k0 += kPanel) {
    for (int at = thread; at < kTile * kPanel; at += kThreads) {
      const int row = at / kPanel, k = at % kPanel;
      float value = 0;
      if (row < rows && k0 + k < work.inner) {
        const std::int64_t i = block.begin + row;
        const std::int64_t from = work.index != nullptr ? work.index[i] : i;
        value = work.a[from * work.inner + k0 + k];
      }
      panels.a[k][row] = value;
    }
    for (int at = thread; at < kTile * kPanel; at += kThreads) {
      // Neighbouring threads read neighbouring numbers, however the matrix lies.
      const int k = work.transposed ? at % kPanel : at / kTile;
      const int column = work.transposed ? at / kPanel : at % kTile;
      const std::int64_t c = first_column + column;
      float value = 0;
      if (c < work.columns && k0 + k < work.inner) {
        value = work.transposed ? b[c * work.inner + k0 + k] : b[(k0 + k) * work.columns + c];
      }
      panels.b[k][column] = value;
    }
    __syncthreads();
    multiply(panels, kPanel, sum);
    __syncthreads();
  }
  for (int i = 0; i < kEach; ++i) {
    const int row = thread / kAcross * kEach + i;
    if (row >= rows) break;
    for (int j = 0; j < kEach; ++j) {
      const std::int64_t c = first_column + thread % kAcross * kEach + j;
      if (c >= work.columns) break;
      float value = sum[i][j];
      if (work.bias != nullptr) {
        value = tanhf(value + work.bias[static_cast<std::int64_t>(block.group) * work.columns + c]);
      }
      work.out[(block.begin + row) * static_cast<std::int64_t>(work.columns) + c] = value;
    }
  }
}

/// The part of a piece: [d + 1, k], the matrix and then the relation's vector.
__device__ float* partial_of(const KgMatrices& work, std::int64_t piece) {
  return work.partial + piece * (work.d + 1) * work.k;
}

/// A tile of a piece's part: nodesᵀ · gradients.
__global__ void __launch_bounds__(kThreads) matrix_pieces(KgMatrices work) {
  __shared__ Panels panels;
  const Block piece = work.pieces[blockIdx.x];
  const auto first_row = static_cast<std::int32_t>(blockIdx.y) * kTile;
  const auto first_column = static_cast<std::int32_t>(blockIdx.z) * kTile;
  const int thread = static_cast<int>(threadIdx.x);
  float sum[kEach][kEach] = {};
  for (std::int32_t begin = piece.begin; begin < piece.end; begin += kPanel) {
    for (int at = thread; at < kTile * kPanel; at += kThreads) {
      const int k = at / kTile, place = at % kTile;
      const std::int64_t i = begin + k;
      const bool inside = i < piece.end;
      panels.a[k][place] =
          inside && first_row + place < work.d
              ? work.table[static_cast<std::int64_t>(work.nodes[i]) * work.d + first_row + place]
              : 0.0F;
      panels.b[k][place] = inside && first_column + place < work.k
                               ? work.gradients[i * work.k + first_column + place]
                               : 0.0F;
    }
    __syncthreads();
    multiply(panels, kPanel, sum);
    __syncthreads();
  }
  float* out = partial_of(work, blockIdx.x);
  for (int i = 0; i < kEach; ++i) {
    const std::int64_t row = first_row + thread / kAcross * kEach + i;
    if (row >= work.d) break;
    for (int j = 0; j < kEach; ++j) {
      const std::int64_t c = first_column + thread % kAcross * kEach + j;
      if (c < work.k) out[row * work.k + c] = sum[i][j];
    }
  }
}

/// The last row of a piece's part: the sum of its samples' gradients of the relation's vector.
__global__ void relation_pieces(KgMatrices work) {
  const Block piece = work.pieces[blockIdx.x];
  float* out = partial_of(work, blockIdx.x) + static_cast<std::int64_t>(work.d) * work.k;
  for (auto c = static_cast<std::int32_t>(threadIdx.x); c < work.k;
       c += static_cast<std::int32_t>(blockDim.x)) {
    float sum = 0;
    KGAT_UNROLL_8 for (std::int32_t i = piece.begin / 3; i < piece.end / 3; ++i) {
      sum += work.relation_rows[static_cast<std::int64_t>(i) * work.k + c];
    }
    out[c] = sum;
  }
}

/// Adds the pieces of each relation in their order; a relation without pieces gets zeros.
__global__ void add_pieces(KgMatrices work) {
  const std::int64_t matrix = static_cast<std::int64_t>(work.d) * work.k, part = matrix + work.k;
  const std::int64_t at = thread_index();
  if (at >= part * work.n_relations) return;
  const std::int64_t relation = at / part, element = at - relation * part;
  float sum = 0;
  for (std::int32_t p = work.first_piece[relation]; p < work.first_piece[relation + 1]; ++p) {
    sum += partial_of(work, p)[element];
  }
  if (element < matrix) {
    work.matrices[relation * matrix + element] = sum;
  } else {
    work.relations[relation * work.k + element - matrix] = sum;
  }
}

}  // namespace

const char* grouped_product(const GroupedProduct& work, Stream stream) {
  if (work.n_blocks == 0 || work.columns == 0) return nullptr;
  const dim3 grid(static_cast<unsigned>(work.n_blocks), blocks_for(work.columns, kTile));
  KGAT_LAUNCH(grouped_product_kernel, grid, kThreads, stream, work);
  return launched();
}

const char* kg_matrices(const KgMatrices& work, Stream stream) {
  if (work.n_pieces > 0) {
    const auto pieces = static_cast<unsigned>(work.n_pieces);
    const dim3 grid(pieces, blocks_for(work.d, kTile), blocks_for(work.k, kTile));
    KGAT_LAUNCH(matrix_pieces, grid, kThreads, stream, work);
    KGAT_LAUNCH(relation_pieces, pieces, 64, stream, work);
  }
  const std::int64_t size = static_cast<std::int64_t>(work.d + 1) * work.k * work.n_relations;
  if (size == 0) return nullptr;
  KGAT_LAUNCH(add_pieces, blocks_for(size, kThreads), kThreads, stream, work);
  return launched();
}

}  // namespace kgat::gpu
