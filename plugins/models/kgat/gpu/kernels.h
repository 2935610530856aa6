// KGAT's operators on a GPU, as a table of functions on raw pointers: the whole interface between
// kgat.so, which knows no CUDA, and kgat_cuda.so, which knows no graph, tensor or recipe.
//
// Every function enqueues its kernels on the current stream of `device` and returns nullptr, or a
// text that lives on: CUDA's name of the error. Pointers are to memory of that device, float32 and
// int32, row-major, borrowed until the stream has passed. Sums have one order, which depends on the
// shapes alone: two runs give the same bits. Nodes and edges are below 2^31; products of them are
// computed in 64 bits. Threads: any.
#pragma once

#include <cstdint>

namespace kgat::gpu {

/// Rows with more edges are summed in segments of so many edges, each by a warp of its own.
inline constexpr std::int32_t kSegment = 256;
/// Rows of a block of a grouped product.
inline constexpr std::int32_t kTileRows = 64;
/// Rows of a piece of the TransR matrices' gradients.
inline constexpr std::int32_t kPieceRows = 192;
/// The most items of one user that ranking keeps.
inline constexpr std::int32_t kMostRanked = 1024;

/// A set of nodes as rows (frontier.h's Level), with its long rows.
struct Rows {
  const std::int32_t* nodes = nullptr;      // [size]; null: row r is node r
  const std::int32_t* positions = nullptr;  // [n_nodes] row of a node or -1; null: all nodes
  std::int32_t size = 0;
  std::int32_t n_long = 0, n_segments = 0;
  const std::int32_t* long_rows = nullptr;      // [n_long]
  const std::int32_t* first_segment = nullptr;  // [n_long + 1]
  const std::int32_t* segment_owner = nullptr;  // [n_segments] index of its row in long_rows
};

/// positions[nodes[i]] = i; the others -1.
struct Positions {
  const std::int32_t* nodes;
  std::int32_t size, n_nodes;
  std::int32_t* positions;
};

/// out[r] (+)= Σ values[e] x[row of tails[e]] over the edges of row r whose tail is in the columns.
struct SparseProduct {
  const std::int32_t *offsets, *tails;  // [n_nodes + 1], [n_edges]
  const float* values;                  // [n_edges]
  Rows rows;
  const std::int32_t* columns;  // positions of the columns' nodes; null: all nodes
  std::int32_t width;
  const float* x;  // [columns, width]
  float* partial;  // [rows.n_segments, width]
  float* out;      // [rows.size, width]
  bool add;
};

enum class Combination : std::int32_t { kBi, kSum, kConcatenation };

/// in1 = e + n, in2 = e ⊙ n (bi); in1 = e + n; in1 = [e ‖ n].
struct Combine {
  Combination combination;
  std::int32_t rows, width;
  const std::int32_t *nodes, *in_positions;  // of the out level; of the in level
  const float* x;                            // [in, width]
  const float* neighbours;                   // [rows, width]
  float *in1, *in2;
};

/// Splits the gradients g1, g2 of in1 and in2 into those of e (into its row of gx) and of n.
struct Separate {
  Combine place;  // in1 and in2 are not read
  const float *g1, *g2;
  float* gx;            // [in, width]; only the rows of the out level are written
  float* g_neighbours;  // [rows, width]
};

/// y = (LReLU(p1 + b1) + LReLU(p2 + b2)) · dropout; p2 may be null. codes as in kernels/layer.h.
struct Activate {
  std::int32_t rows, width;
  const std::int32_t* nodes;
  const float *p1, *b1, *p2, *b2;
  float slope, scale;
  std::uint32_t threshold, key[2], step, layer;  // kernels/dropout.h; threshold 0: none
  float* y;
  std::uint8_t* codes;  // null: not kept
};

/// g1, g2 := gradients of the two products.
struct ActivateBackward {
  std::int64_t size;
  const float* gy;
  const std::uint8_t* codes;
  float slope, scale;
  float *g1, *g2;
};

/// Rows of `level` at the nodes of `batch`: from[position(node i)], and back.
struct BatchRows {
  std::int32_t size, width;
  const std::int32_t *nodes, *positions;  // of the batch; of the level
  const float* level;                     // [level, width]
  float* batch;                           // [size, width]
};
struct AddRows {
  std::int32_t size, width;
  const std::int32_t *nodes, *positions;
  const float* batch;
  float* level;
};
/// z = y / max(|y|, 1e-12): `level` is y, `batch` z.
using Normalise = BatchRows;
struct NormaliseBackward {
  AddRows rows;    // batch: gz; level: gy, added to
  const float* y;  // [level, width]
};

/// Rows [begin, end) of a product that share a matrix.
struct Block {
  std::int32_t begin, end, group;
};

/// out[i] = a[index[i]] · b[group], or · b[group]ᵀ; with a bias: tanh(… + bias[group]).
struct GroupedProduct {
  const Block* blocks;  // each of at most kTileRows rows
  std::int32_t n_blocks, inner, columns;
  const float* a;             // [·, inner]
  const std::int32_t* index;  // null: a[i]
  const float* b;             // [groups, inner, columns], transposed: [groups, columns, inner]
  bool transposed;
  const float* bias;  // [groups, columns] or null
  float* out;         // [·, columns]
};

/// logits[e] = table[tails[e]] · queries[query_of[e]].
struct EdgeLogits {
  std::int64_t n_edges;
  const std::int32_t *tails, *query_of;
  std::int32_t width;
  const float *table, *queries;
  float* logits;
};

/// The softmax over the edges of each node, in place.
struct RowSoftmax {
  const std::int32_t* offsets;  // [n_nodes + 1]
  std::int32_t n_nodes, n_long;
  const std::int32_t* long_rows;  // nodes with more than kSegment edges
  float* values;
};

/// The CF loss (kernels/losses.h) of vectors that are whole: [n_rows, width].
struct CfForward {
  std::int32_t batch, width;
  const std::int32_t *users, *positives, *negatives;  // [batch] rows
  const float* vectors;
  double lambda;
  double* losses;       // [batch]
  float* coefficients;  // [batch]
};
/// occurrences[offsets[r] .. offsets[r + 1]) are 3 b + role of row r, ascending; role 0 is the
/// user.
struct CfBackward {
  CfForward forward;
  std::int32_t n_rows;
  const std::int32_t *offsets, *occurrences;
  const float* factor;  // a scalar
  float* gradients;     // [n_rows, width]
};

/// The KG loss of rows that are projected: three of `projected` a sample (head, positive,
/// negative), which become their gradients.
struct KgRows {
  std::int32_t batch, k;
  const std::int32_t* relation_of;  // [batch]
  const float* relations;           // [n_relations, k]
  double lambda;
  float* projected;      // [3 batch, k]
  float* relation_rows;  // [batch, k] gradients of the relation's vector
  double* losses;        // [batch]
};

/// Gradients of TransR's matrices and vectors: pieces of the rows of a relation, then their sums in
/// order. A piece's rows are of `nodes` (three a sample).
struct KgMatrices {
  const Block* pieces;  // rows of `nodes`, multiples of 3; group: the relation
  std::int32_t n_pieces, d, k;
  const std::int32_t* nodes;        // [3 batch]
  const float* table;               // [n_nodes, d]
  const float* gradients;           // [3 batch, k]
  const float* relation_rows;       // [batch, k]
  float* partial;                   // [n_pieces, d + 1, k]
  const std::int32_t* first_piece;  // [n_relations + 1]
  std::int32_t n_relations;
  float *matrices, *relations;  // [n_relations, d, k], [n_relations, k]: overwritten
};

/// out[r] = Σ rows[occurrences[i]] over i in [offsets[r], offsets[r + 1]), in that order.
struct SumRows {
  std::int32_t n_rows, width;
  const std::int32_t *offsets, *occurrences;
  const float* rows;
  float* out;
};

/// The `top` best items of each user, best first, ties to the lower item; masked ones, those whose
/// score is not a number and minus infinity are not ranked.
struct RankUsers {
  std::int32_t n_users, n_items, top;         // top in 1 .. kMostRanked
  float* scores;                              // [n_users, n_items]; masked ones are overwritten
  const std::int32_t *mask_offsets, *masked;  // [n_users + 1], items
  std::int32_t* items;                        // [n_users, top]
  float* item_scores;                         // [n_users, top]
  std::int32_t* counts;                       // [n_users]
};

/// Purpose: the functions of one build. Owner: the shared object that exports it; never unloaded.
struct Table {
  /// The first two members stay for ever: what kgat.so checks before it reads on.
  std::uint32_t struct_size;
  std::uint32_t version;
  const char* (*positions)(const Positions&, int device);
  const char* (*sparse_product)(const SparseProduct&, int device);
  const char* (*combine)(const Combine&, int device);
  const char* (*separate)(const Separate&, int device);
  const char* (*activate)(const Activate&, int device);
  const char* (*activate_backward)(const ActivateBackward&, int device);
  const char* (*take_rows)(const BatchRows&, int device);
  const char* (*add_rows)(const AddRows&, int device);
  const char* (*normalise)(const Normalise&, int device);
  const char* (*normalise_backward)(const NormaliseBackward&, int device);
  const char* (*grouped_product)(const GroupedProduct&, int device);
  const char* (*edge_logits)(const EdgeLogits&, int device);
  const char* (*row_softmax)(const RowSoftmax&, int device);
  const char* (*cf_forward)(const CfForward&, int device);
  const char* (*cf_backward)(const CfBackward&, int device);
  const char* (*kg_rows)(const KgRows&, int device);
  const char* (*kg_matrices)(const KgMatrices&, int device);
  const char* (*sum_rows)(const SumRows&, int device);
  const char* (*rank_users)(const RankUsers&, int device);
};

/// Raised with every change of a structure above.
inline constexpr std::uint32_t kTableVersion = 1;
/// The one symbol that kgat_cuda.so exports: a `const Table`.
inline constexpr const char* kTableSymbol = "trainhost_kgat_kernels";

}  // namespace kgat::gpu
