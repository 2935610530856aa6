// The one file that sees ProcessGroupNCCL.hpp, which takes 15 s to compile.
#include "cuda/process_wire.h"

#include <array>
#include <chrono>
#include <cstdlib>
#include <torch/csrc/distributed/c10d/FlightRecorder.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#include <utility>
#include <vector>

#include "trainhost/error.h"

namespace cuda {
namespace {

using trainhost::Error;
using trainhost::Failure;
using trainhost::ReduceOp;
using NcclGroup = c10::intrusive_ptr<c10d::ProcessGroupNCCL>;

c10d::ReduceOp nccl_op(ReduceOp op) {
  return op == ReduceOp::kSum   ? c10d::ReduceOp::SUM
         : op == ReduceOp::kMin ? c10d::ReduceOp::MIN
                                : c10d::ReduceOp::MAX;
}

class ProcessWork final : public Pending {
 public:
  explicit ProcessWork(c10::intrusive_ptr<c10d::Work> work) : work_(std::move(work)) {}

  bool done() override {
    if (!work_->isCompleted()) return false;
    if (work_->exception()) std::rethrow_exception(work_->exception());
    return true;
  }
  void order() override { work_->wait(); }

 private:
  const c10::intrusive_ptr<c10d::Work> work_;  // null: one of several that go together
};

Issued issued(c10::intrusive_ptr<c10d::Work> work) {
  return std::make_unique<ProcessWork>(std::move(work));
}

class ProcessWire final : public Wire {
 public:
  ProcessWire(NcclGroup processes, int rank) : processes_(std::move(processes)), rank_(rank) {}

  Issued all_reduce(const at::Tensor& data, ReduceOp op) override {
    std::vector<at::Tensor> tensors{data};
    c10d::AllreduceOptions options;
    options.reduceOp = nccl_op(op);
    return issued(processes_->allreduce(tensors, options));
  }

  Issued reduce(const at::Tensor& data, int root, ReduceOp op) override {
    std::vector<at::Tensor> tensors{data};
    c10d::ReduceOptions options;
    options.reduceOp = nccl_op(op);
    options.rootRank = root;
    return issued(processes_->reduce(tensors, options));
  }

  Issued broadcast(const at::Tensor& data, int root) override {
    std::vector<at::Tensor> tensors{data};
    c10d::BroadcastOptions options;
    options.rootRank = root;
    return issued(processes_->broadcast(tensors, options));
  }

  Issued reduce_scatter(const at::Tensor& output, const at::Tensor& input, ReduceOp op) override {
    at::Tensor to = output, from = input;
    c10d::ReduceScatterOptions options;
    options.reduceOp = nccl_op(op);
    return issued(processes_->_reduce_scatter_base(to, from, options));
  }

  Issued all_gather(const at::Tensor& output, const at::Tensor& input) override {
    at::Tensor to = output, from = input;
    return issued(processes_->_allgather_base(to, from));
  }

  Issued all_to_all(const at::Tensor& output, const at::Tensor& input, Counts output_counts,
                    Counts input_counts) override {
    at::Tensor to = output, from = input;
    std::vector<std::int64_t> received(output_counts.begin(), output_counts.end());
    std::vector<std::int64_t> sent(input_counts.begin(), input_counts.end());
    return issued(processes_->alltoall_base(to, from, received, sent));
  }

  Issued together(const std::function<void()>& issue) override {
    processes_->startCoalescing();
    issue();
    return issued(processes_->endCoalescing());
  }

  void abort() override { processes_->abort(); }
  void close() override { processes_->shutdown(); }

  /// The flight recorder always runs; its trace is written where its size was set by hand.
  std::string write_record() override {
    const auto asked = [](const char* name) {
      const char* entries = std::getenv(name);
      return entries != nullptr && std::atoi(entries) > 0;
    };
    if (!asked("TORCH_FR_BUFFER_SIZE") && !asked("TORCH_NCCL_TRACE_BUFFER_SIZE")) return "";
    try {
      c10d::DebugInfoWriter& writer = c10d::DebugInfoWriter::getWriter(rank_);
      writer.write(c10d::dump_nccl_trace(/*includeCollectives=*/true, /*includeStackTraces=*/false,
                                         /*onlyActive=*/false));
      return writer.getWriterTarget();
    } catch (const std::exception&) {
      return "";  // it must not hide the time-out
    }
  }

 private:
  const NcclGroup processes_;
  const int rank_;
};

}  // namespace

void prepare_process_groups() {
  constexpr std::array<std::pair<const char*, const char*>, 4> kSettings{{
      {"TORCH_NCCL_ASYNC_ERROR_HANDLING", "0"},
      {"TORCH_NCCL_ENABLE_MONITORING", "0"},
      {"TORCH_NCCL_DUMP_ON_TIMEOUT", "0"},
      {"TORCH_NCCL_PROPAGATE_ERROR", "0"},
  }};
  for (const auto& [name, value] : kSettings) ::setenv(name, value, 0);
}

std::unique_ptr<Wire> make_process_wire(const c10::intrusive_ptr<StoreAdapter>& store,
                                        const GroupPlace& place, double timeout_seconds) {
  auto settings = c10d::ProcessGroupNCCL::Options::create(/*is_high_priority_stream=*/true);
  // Its own time-out comes after ours, which knows the name of the operation.
  settings->timeout =
      std::chrono::milliseconds(static_cast<std::int64_t>(timeout_seconds * 1000) + 10000);
  try {
    auto processes = c10::make_intrusive<c10d::ProcessGroupNCCL>(store, place.rank, place.world,
                                                                 std::move(settings));
    processes->eagerConnectSingleDevice(place.device);
    return std::make_unique<ProcessWire>(std::move(processes), place.rank);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    const std::string text = error.what();
    throw Error(Failure::kDevice,
                {.where = "cuda group '" + place.name + "', rank " + std::to_string(place.rank),
                 .what = "NCCL does not start",
                 .got = text.substr(0, text.find('\n')),
                 .fix = "NCCL_DEBUG=INFO shows what it tries; two ranks on one GPU, or a network "
                        "interface (NCCL_SOCKET_IFNAME), are the usual causes"});
  }
}

}  // namespace cuda
