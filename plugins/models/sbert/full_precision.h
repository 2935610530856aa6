// FullPrecision: no mixed precision for a scope. Embeddings come in fp32, and what a loss computes
// of them does not gain from 16 bits but loses: logits of 20 have errors of 0.06 in bf16.
//
// Threads and ranks: the calling thread's state, restored at the end of the scope.
#pragma once

#include <c10/core/DispatchKeySet.h>
#include <c10/core/impl/LocalDispatchKeySet.h>

namespace sbert {

class FullPrecision {
 public:
  FullPrecision() : guard_(c10::autocast_dispatch_keyset) {}

 private:
  c10::impl::ExcludeDispatchKeyGuard guard_;
};

}  // namespace sbert
