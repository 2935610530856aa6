// The launches of the kernels, as the functions of Table but on a given stream. Known to whoever
// makes a table; no CUDA header is needed.
#pragma once

#include "gpu/kernels.h"

namespace kgat::gpu {

/// A cudaStream_t.
using Stream = void*;

const char* positions(const Positions& work, Stream stream);                   // sparse.cu
const char* sparse_product(const SparseProduct& work, Stream stream);          // sparse.cu
const char* sum_rows(const SumRows& work, Stream stream);                      // sparse.cu
const char* combine(const Combine& work, Stream stream);                       // layer.cu
const char* separate(const Separate& work, Stream stream);                     // layer.cu
const char* activate(const Activate& work, Stream stream);                     // layer.cu
const char* activate_backward(const ActivateBackward& work, Stream stream);    // layer.cu
const char* take_rows(const BatchRows& work, Stream stream);                   // rows.cu
const char* add_rows(const AddRows& work, Stream stream);                      // rows.cu
const char* normalise(const Normalise& work, Stream stream);                   // rows.cu
const char* normalise_backward(const NormaliseBackward& work, Stream stream);  // rows.cu
const char* grouped_product(const GroupedProduct& work, Stream stream);        // products.cu
const char* kg_matrices(const KgMatrices& work, Stream stream);                // products.cu
const char* edge_logits(const EdgeLogits& work, Stream stream);                // attention.cu
const char* row_softmax(const RowSoftmax& work, Stream stream);                // attention.cu
const char* cf_forward(const CfForward& work, Stream stream);                  // losses.cu
const char* cf_backward(const CfBackward& work, Stream stream);                // losses.cu
const char* kg_rows(const KgRows& work, Stream stream);                        // losses.cu
const char* rank_users(const RankUsers& work, Stream stream);                  // ranking.cu

}  // namespace kgat::gpu
