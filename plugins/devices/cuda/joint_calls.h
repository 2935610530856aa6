// JointCall: what NCCL is told for one rank of several that are threads of one process.
//
// Purpose: a collective of rank threads as the calls of its ranks, all of which one thread issues
// as one group. Owner: values. Threads and ranks: pure functions.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "cuda/local_group.h"

namespace cuda {

struct JointCall {
  enum class Verb { kAllReduce, kReduce, kReduceScatter, kAllGather, kBroadcast, kSend, kReceive };

  int rank = 0;
  Verb verb = Verb::kAllReduce;
  at::Tensor from, to;  ///< flat; `from` of kReceive and `to` of kSend are undefined
  trainhost::ReduceOp op = trainhost::ReduceOp::kSum;
  int peer = 0;  ///< the root, or whom it is sent to, or received from
};

/// The calls of the operation that the ranks show, by rank; none where there is nothing to move.
/// Uneven parts are a reduce to, or a broadcast from, each rank. Throws Error (kRun) where a rank
/// sends another count than is expected.
std::vector<JointCall> joint_calls(const LocalGroup& group);

}  // namespace cuda
