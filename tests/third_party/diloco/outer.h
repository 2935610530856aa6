// Outer: the parameters that all ranks share, and how a round of local steps changes them.
//
// The outer step of DiLoCo (Douillard et al., "DiLoCo: Distributed Low-Communication Training of
// Language Models", arXiv:2311.08105, algorithm 1): with the shared parameters p of the last round
// and p_i of rank i after its inner steps, the mean over ranks of p - p_i is taken for a gradient,
// and SGD with Nesterov momentum applies it. Every rank makes the same step from the same sum.
// Owner: a session; borrows its local replica. Threads: the rank's thread.
#pragma once

#include <deque>
#include <vector>

#include "trainhost/replica.h"
#include "trainhost/strategy.h"

namespace diloco {

struct OuterSettings {
  std::int64_t inner_steps = 1;  ///< of an objective, between two of its rounds
  double lr = 0, momentum = 0;
};

class Outer {
 public:
  /// `differences`: for each unit what `local`'s gradients lie in, which is free between steps.
  Outer(const trainhost::AttachContext& context, const OuterSettings& settings,
        trainhost::Replica& local, const std::vector<at::Tensor>& differences);

  /// An inner step of this objective is over.  [collective where it ends a round]
  void inner_step_done(int objective);

  /// The local parameters become the shared ones.
  void restart_local();

  trainhost::Replica& shared() { return shared_; }
  void append_state(std::vector<trainhost::StateSlice>& out);

 private:
  void end_round(int objective);
  void step_unit(int unit);

  const trainhost::AttachContext context_;
  const OuterSettings settings_;
  trainhost::Replica& local_;
  const std::vector<at::Tensor> differences_;
  trainhost::Replica shared_;
  std::deque<at::Tensor> momentum_;      // by parameter, flat
  std::vector<at::Tensor> since_round_;  // by objective, i64 [1]: inner steps
};

}  // namespace diloco
