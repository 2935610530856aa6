// SharedCommunicator: trainhost::Communicator for ranks on one machine.
#pragma once

#include <memory>
#include <string>

#include "shared_memory/collectives.h"
#include "shared_memory/work_queue.h"
#include "trainhost/communicator.h"

namespace shared_memory {

/// Purpose: checks what it is given, then runs it on an Engine: small operations in the caller,
/// large ones through a WorkQueue. A group of one rank has no engine; its operations copy at most.
/// Owner, threads and ranks: as trainhost::Communicator says.
class SharedCommunicator final : public trainhost::Communicator {
 public:
  /// `engine` is null for a world of one.
  SharedCommunicator(std::unique_ptr<Engine> engine, std::string name, int rank, int world);
  ~SharedCommunicator() override;

  int rank() const override { return rank_; }
  int world() const override { return world_; }
  bool sums_in_rank_order() const override { return true; }

  at::Tensor allocate(std::int64_t bytes) override;
  trainhost::WorkHandle all_reduce(at::Tensor data, trainhost::ReduceOp op,
                                   trainhost::Traffic tag) override;
  trainhost::WorkHandle reduce(at::Tensor data, int root, trainhost::ReduceOp op,
                               trainhost::Traffic tag) override;
  trainhost::WorkHandle reduce_scatter(at::Tensor output, at::Tensor input,
                                       std::span<const std::int64_t> counts, trainhost::ReduceOp op,
                                       trainhost::Traffic tag) override;
  trainhost::WorkHandle all_gather(at::Tensor output, at::Tensor input,
                                   std::span<const std::int64_t> counts,
                                   trainhost::Traffic tag) override;
  trainhost::WorkHandle broadcast(at::Tensor data, int root, trainhost::Traffic tag) override;
  trainhost::WorkHandle all_to_all(at::Tensor output, at::Tensor input,
                                   std::span<const std::int64_t> output_counts,
                                   std::span<const std::int64_t> input_counts,
                                   trainhost::Traffic tag) override;
  void barrier(trainhost::Traffic tag) override;
  void abort(std::string_view reason) noexcept override;

 private:
  struct Checked;

  trainhost::WorkHandle in_place(Kind kind, at::Tensor& data, int root, trainhost::ReduceOp op,
                                 trainhost::Traffic tag);
  trainhost::WorkHandle run(const Operation& operation, at::Tensor& output, at::Tensor& input);
  trainhost::WorkHandle run_alone(const Operation& operation);
  [[noreturn]] void refuse(Kind kind, const std::string& what, const std::string& expected,
                           const std::string& got) const;
  Element check(Kind kind, const char* which, const at::Tensor& tensor) const;
  void check_root(Kind kind, int root) const;
  std::int64_t check_counts(Kind kind, std::span<const std::int64_t> counts) const;
  void check_size(Kind kind, const char* which, const at::Tensor& tensor, std::int64_t count) const;

  const std::string name_;
  const int rank_, world_;
  const std::unique_ptr<Engine> engine_;
  const std::shared_ptr<WorkQueue> queue_;  // shared with the handles it gave out
};

}  // namespace shared_memory
