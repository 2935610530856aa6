#include "cuda/joint_nccl.h"

#include <c10/cuda/CUDAEvent.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAMiscFunctions.h>
#include <c10/cuda/CUDAStream.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <utility>

#include "cuda/abort_watch.h"
#include "cuda/nccl_library.h"
#include "trainhost/error.h"

namespace cuda {
namespace {

using trainhost::Error;
using trainhost::Failure;
using trainhost::ReduceOp;
using Verb = JointCall::Verb;

ncclDataType_t nccl_type(at::ScalarType type) {
  switch (type) {
    case at::kDouble:
      return ncclFloat64;
    case at::kFloat:
      return ncclFloat32;
    case at::kBFloat16:
      return ncclBfloat16;
    case at::kHalf:
      return ncclFloat16;
    case at::kLong:
      return ncclInt64;
    default:
      return ncclUint8;  // operation.h serves no others
  }
}

ncclRedOp_t nccl_op(ReduceOp op) {
  return op == ReduceOp::kSum ? ncclSum : op == ReduceOp::kMin ? ncclMin : ncclMax;
}

class EventPending final : public Pending {
 public:
  EventPending(c10::cuda::CUDAStream stream, std::function<void()> check)
      : check_(std::move(check)) {
    event_.record(stream);
  }
  bool done() override {
    check_();
    return event_.query();
  }
  void order() override { event_.block(c10::cuda::getCurrentCUDAStream(event_.device_index())); }

 private:
  c10::cuda::CUDAEvent event_;
  const std::function<void()> check_;
};

class JointNccl final : public Joint {
 public:
  JointNccl(const std::vector<int>& devices, trainhost::AbortSignal abort)
      : nccl_(NcclLibrary::load()), comms_(devices.size(), nullptr) {
    nccl_.require(nccl_.init_all(comms_.data(), static_cast<int>(devices.size()), devices.data()),
                  "ncclCommInitAll");
    for (const int device : devices) {
      streams_.push_back(c10::cuda::getStreamFromPool(/*isHighPriority=*/true,
                                                      static_cast<c10::DeviceIndex>(device)));
    }
    watch_ = std::make_unique<AbortWatch>(abort, [this] { this->abort(); });
  }

  ~JointNccl() override {
    watch_.reset();
    if (aborted_.load()) return;
    for (ncclComm_t comm : comms_) nccl_.destroy(comm);
  }

  void come(int rank) override {
    const c10::cuda::CUDAStream& mine = stream(rank);
    c10::cuda::CUDAEvent event;
    event.record(c10::cuda::getCurrentCUDAStream(mine.device_index()));
    event.block(mine);
  }

  /// The allocator must not free, which waits for the devices, while some of them have begun.
  void issue(std::span<const JointCall> calls) override {
    if (calls.empty()) return;
    if (aborted_.load())
      throw Error(Failure::kRankLost, {.where = "NCCL", .what = "it was aborted"});
    const std::lock_guard lock(*c10::cuda::getFreeMutex());
    nccl_.require(nccl_.group_start(), "ncclGroupStart");
    ncclResult_t first = ncclSuccess;
    for (const JointCall& call : calls) {
      const c10::cuda::CUDAGuard guard(stream(call.rank).device_index());
      const ncclResult_t result = start(call);
      if (first == ncclSuccess) first = result;
    }
    const ncclResult_t end = nccl_.group_end();
    nccl_.require(first == ncclSuccess ? end : first, "a collective of all ranks");
  }

  Issued mark(int rank) override {
    const auto check = [this, rank] {
      ncclResult_t state = ncclSuccess;
      const std::unique_lock lock(abort_mutex_, std::try_to_lock);
      if (lock.owns_lock() && !aborted_.load()) nccl_.async_error(comm(rank), &state);
      if (state != ncclInProgress) nccl_.require(state, "a collective of all ranks");
    };
    return std::make_unique<EventPending>(stream(rank), check);
  }

  void abort() noexcept override {
    const std::lock_guard lock(abort_mutex_);
    if (aborted_.exchange(true)) return;
    nccl_.group_start();  // or the first would wait for the second
    for (ncclComm_t comm : comms_) nccl_.abort(comm);
    nccl_.group_end();
  }

 private:
  const c10::cuda::CUDAStream& stream(int rank) const {
    return streams_[static_cast<std::size_t>(rank)];
  }
  ncclComm_t comm(int rank) const { return comms_[static_cast<std::size_t>(rank)]; }

  ncclResult_t start(const JointCall& call) const {
    const at::Tensor& data = call.from.defined() ? call.from : call.to;
    const ncclDataType_t type = nccl_type(data.scalar_type());
    const ncclRedOp_t op = nccl_op(call.op);
    const auto count = static_cast<std::size_t>(data.numel());
    const void* from = call.from.defined() ? call.from.const_data_ptr() : nullptr;
    void* to = call.to.defined() ? call.to.mutable_data_ptr() : nullptr;
    const cudaStream_t where = stream(call.rank).stream();
    switch (call.verb) {
      case Verb::kAllReduce:
        return nccl_.all_reduce(from, to, count, type, op, comm(call.rank), where);
      case Verb::kReduce:
        return nccl_.reduce(from, to, count, type, op, call.peer, comm(call.rank), where);
      case Verb::kReduceScatter:
        return nccl_.reduce_scatter(from, to, static_cast<std::size_t>(call.to.numel()), type, op,
                                    comm(call.rank), where);
      case Verb::kAllGather:
        return nccl_.all_gather(from, to, count, type, comm(call.rank), where);
      case Verb::kBroadcast:
        return nccl_.broadcast(from, to, count, type, call.peer, comm(call.rank), where);
      case Verb::kSend:
        return nccl_.send(from, count, type, call.peer, comm(call.rank), where);
      case Verb::kReceive:
        return nccl_.receive(to, count, type, call.peer, comm(call.rank), where);
    }
    return ncclInvalidUsage;
  }

  const NcclLibrary nccl_;
  std::vector<ncclComm_t> comms_;               // by rank
  std::vector<c10::cuda::CUDAStream> streams_;  // by rank
  std::mutex abort_mutex_;  // communicators are not asked while they are aborted
  std::atomic<bool> aborted_{false};
  std::unique_ptr<AbortWatch> watch_;
};

}  // namespace

std::unique_ptr<Joint> make_joint_nccl(const std::vector<int>& devices,
                                       trainhost::AbortSignal abort) {
  return std::make_unique<JointNccl>(devices, abort);
}

}  // namespace cuda
