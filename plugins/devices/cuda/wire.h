// Wire: the collectives that a library has for a group of ranks, as one rank issues them.
//
// Purpose: what NCCL's process group does, without its headers: time-outs, sums in rank order and
// uneven parts are built on it, and tested on a wire of CPU threads. Owner: a Group. Threads and
// ranks: every operation is [collective]; the rank's threads issue one at a time; abort() from any.
// Tensors are flat, of one type, and live until the operation is done.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>

#include "cuda/operation.h"
#include "trainhost/communicator.h"

namespace cuda {

/// An operation under way.
class Pending {
 public:
  virtual ~Pending() = default;
  /// Whether it is done on the device; throws what the library says went wrong.
  virtual bool done() = 0;
  /// The calling thread's current stream goes on after it.
  virtual void order() = 0;
};

using Issued = std::unique_ptr<Pending>;

class Wire {
 public:
  virtual ~Wire() = default;

  virtual Issued all_reduce(const at::Tensor& data, trainhost::ReduceOp op) = 0;
  virtual Issued reduce(const at::Tensor& data, int root, trainhost::ReduceOp op) = 0;
  virtual Issued broadcast(const at::Tensor& data, int root) = 0;
  /// Equal parts, `output` being one of them; in place where it is the own part of `input`.
  virtual Issued reduce_scatter(const at::Tensor& output, const at::Tensor& input,
                                trainhost::ReduceOp op) = 0;
  virtual Issued all_gather(const at::Tensor& output, const at::Tensor& input) = 0;
  virtual Issued all_to_all(const at::Tensor& output, const at::Tensor& input, Counts output_counts,
                            Counts input_counts) = 0;
  /// Reduces and broadcasts that `issue` issues, as one operation.
  virtual Issued together(const std::function<void()>& issue) = 0;

  /// Ends what is under way. Returns without waiting for the device.
  virtual void abort() = 0;
  /// The end in good order, once nothing is under way.
  virtual void close() = 0;
  /// Writes down what the library remembers of its operations, where the user asked for that; the
  /// file's name, or "".
  virtual std::string write_record() { return ""; }
};

}  // namespace cuda
