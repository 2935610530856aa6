// VirtualRanks: what the sessions of several ranks on one device share, and how they sum.
//
// Purpose: one set of parameters and one optimizer for N ranks that are threads of one process and
// each compute their part of the batch. Sums are the plainest there are: one rank adds the others'
// gradients tensor by tensor, by micro-batch and then by rank. So this is what every other strategy
// is compared with (`trainhost prove`). Owner: the sessions, together. Threads and ranks: each rank
// calls with its own Replica; enter and sum are [collective], and sum waits for all ranks.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <optional>
#include <vector>

#include "trainhost/replica.h"

namespace single {

class VirtualRanks {
 public:
  /// `gradient_dtype`: AttachContext's. Then gradients are rounded as if they travelled.
  VirtualRanks(int world, std::optional<at::ScalarType> gradient_dtype)
      : gradient_dtype_(gradient_dtype), replicas_(world) {}

  /// Rank 0 enters before the others, whose parameters are its own.
  void enter(int rank, trainhost::Replica& replica) { replicas_[rank] = &replica; }
  const trainhost::Replica* first() const { return replicas_[0]; }

  /// Adds the gradients of this micro-batch to the step's sum, and clears them. After the last one
  /// the sum stands in rank 0's gradients. Only rank 0 calls it, while the others wait.
  void sum(int objective, bool last);
  /// The step's sum begins anew. Only rank 0 calls it.
  void forget() { sums_.clear(); }

  trainhost::StepResult result{};  ///< of the last step; rank 0 writes it while the others wait

 private:
  void round(at::Tensor& gradient) const;

  const std::optional<at::ScalarType> gradient_dtype_;
  std::vector<trainhost::Replica*> replicas_;
  /// The step's sum so far, by the parameters' order.
  std::map<std::size_t, at::Tensor> sums_;
};

}  // namespace single
