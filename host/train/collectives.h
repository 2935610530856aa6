// ModelCollectives: the differentiable collectives that Execution offers to losses that look across
// ranks.
//
// Purpose: all_gather's gradient is a reduce_scatter, the reverse, and all_reduce's is an
// all_reduce. Shapes: rows [rows_of[rank], …] with different row counts per rank; all other
// dimensions equal. It knows how many of them are still to run in backward. Owner: RankExecution;
// borrows the communicator; lives as long as the graphs made with it. Threads and ranks:
// [collective], in forward and, in reverse order, in backward.
#pragma once

#include <ATen/core/Tensor.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>

#include "trainhost/communicator.h"

namespace trainhost::train {

class ModelCollectives {
 public:
  /// `none_left` is called in backward when the last one that was recorded has run.
  ModelCollectives(Communicator& communicator, std::function<void()> none_left)
      : communicator_(communicator), none_left_(std::move(none_left)) {}
  ModelCollectives(const ModelCollectives&) = delete;
  ModelCollectives& operator=(const ModelCollectives&) = delete;

  at::Tensor all_gather(const at::Tensor& rows, std::span<const std::int64_t> rows_of);
  at::Tensor reduce_scatter(const at::Tensor& rows, std::span<const std::int64_t> rows_of);
  at::Tensor all_reduce(const at::Tensor& value);

  /// Some were recorded whose backward has not run.
  bool outstanding() const { return outstanding_ > 0; }
  /// Those recorded so far will not run: their graph is gone.
  void forget() { outstanding_ = 0; }

  // For the nodes of the graph.
  Communicator& communicator() { return communicator_; }
  void recorded() { ++outstanding_; }
  void done() {
    if (outstanding_ > 0 && --outstanding_ == 0) none_left_();
  }

 private:
  Communicator& communicator_;
  const std::function<void()> none_left_;
  std::atomic<std::int64_t> outstanding_ = 0;  // a backward may run on autograd's threads
};

}  // namespace trainhost::train
