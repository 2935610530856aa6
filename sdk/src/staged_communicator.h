// StagedCommunicator: a Communicator for tensors of a device, on top of one for host memory.
#pragma once

#include <memory>
#include <string>

#include "trainhost/communicator.h"

namespace trainhost {

/// Purpose: copies what an operation reads to the host, hands it to `host`, and copies back what it
/// wrote once that is waited for. A group of one copies at most, on the device. Owner, threads and
/// ranks: as Communicator says.
class StagedCommunicator final : public Communicator {
 public:
  StagedCommunicator(std::unique_ptr<Communicator> host, std::string name, at::Device device)
      : host_(std::move(host)), name_(std::move(name)), device_(device) {}

  int rank() const override { return host_->rank(); }
  int world() const override { return host_->world(); }
  bool sums_in_rank_order() const override { return true; }

  at::Tensor allocate(std::int64_t bytes) override;
  WorkHandle all_reduce(at::Tensor data, ReduceOp op, Traffic tag) override;
  WorkHandle reduce(at::Tensor data, int root, ReduceOp op, Traffic tag) override;
  WorkHandle reduce_scatter(at::Tensor output, at::Tensor input,
                            std::span<const std::int64_t> counts, ReduceOp op,
                            Traffic tag) override;
  WorkHandle all_gather(at::Tensor output, at::Tensor input, std::span<const std::int64_t> counts,
                        Traffic tag) override;
  WorkHandle broadcast(at::Tensor data, int root, Traffic tag) override;
  WorkHandle all_to_all(at::Tensor output, at::Tensor input,
                        std::span<const std::int64_t> output_counts,
                        std::span<const std::int64_t> input_counts, Traffic tag) override;
  void barrier(Traffic tag) override { host_->barrier(tag); }
  void abort(std::string_view reason) noexcept override { host_->abort(reason); }

 private:
  void check(const char* operation, const char* which, const at::Tensor& tensor) const;

  const std::unique_ptr<Communicator> host_;
  const std::string name_;
  const at::Device device_;
};

}  // namespace trainhost
