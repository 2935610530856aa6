#include "cuda/device.h"

#include <ATen/ops/empty.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAEvent.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "cuda/errors.h"
#include "cuda/joint_communicator.h"
#include "cuda/joint_nccl.h"
#include "cuda/local_way.h"
#include "cuda/nccl_communicator.h"
#include "cuda/nvml.h"
#include "cuda/patience.h"
#include "cuda/process_wire.h"
#include "trainhost/error.h"

namespace cuda {
namespace {

using c10::CachingDeviceAllocator::StatType;
using trainhost::Error;
using trainhost::Failure;

CudaFailure describe(cudaError_t code) {
  CudaFailure out;
  out.code = static_cast<int>(code);
  out.name = cudaGetErrorName(code);
  out.text = cudaGetErrorString(code);
  cudaDriverGetVersion(&out.driver);
  cudaRuntimeGetVersion(&out.runtime);
  if (cudaGetDeviceCount(&out.devices) != cudaSuccess) out.devices = -1;
  std::size_t free = 0, total = 0;
  if (code == cudaErrorMemoryAllocation && cudaMemGetInfo(&free, &total) == cudaSuccess) {
    out.free = static_cast<std::int64_t>(free);
    out.total = static_cast<std::int64_t>(total);
  }
  cudaGetLastError();  // or the next call would report it again
  return out;
}

/// Runs calls of LibTorch; what CUDA throws through it becomes an Error.
template <class Function>
auto guarded(int index, const std::string& doing, Function&& function) {
  try {
    return function();
  } catch (const Error&) {
    throw;
  } catch (const c10::OutOfMemoryError&) {
    throw device_failed(index, doing, describe(cudaErrorMemoryAllocation));
  } catch (const c10::Error& error) {
    CudaFailure failure = describe(cudaPeekAtLastError());
    failure.text = error.what_without_backtrace();
    failure.text = failure.text.substr(0, failure.text.find('\n'));
    throw device_failed(index, doing, failure);
  }
}

/// numerics = "exact": the host has this extension.
bool sums_in_rank_order(trainhost::Host& host) {
  return host.extension("trainhost.sums-in-rank-order/1") != nullptr;
}

/// With the time-out that the environment names, where it names one.
trainhost::OpenOptions patient(trainhost::OpenOptions options, trainhost::Host& host) {
  const double seconds = collective_timeout(options.timeout_seconds);
  if (seconds != options.timeout_seconds) {
    host.log(trainhost::Host::Level::kInfo, "NCCL_TIMEOUT: collectives wait " +
                                                seconds_text(seconds) +
                                                " for another rank, instead of train.timeout's " +
                                                seconds_text(options.timeout_seconds));
  }
  options.timeout_seconds = seconds;
  return options;
}

class Guard final : public trainhost::DeviceSession::StreamGuard {
 public:
  explicit Guard(c10::cuda::CUDAStream stream) : guard_(stream) {}

 private:
  const c10::cuda::CUDAStreamGuard guard_;
};

class CudaSession final : public trainhost::DeviceSession {
 public:
  CudaSession(int index, const trainhost::OpenOptions& options, trainhost::Host& host)
      : device_(at::kCUDA, static_cast<c10::DeviceIndex>(index)),
        options_(options),
        host_(host),
        compute_(c10::cuda::getCurrentCUDAStream(device_.index())),
        communication_(c10::cuda::getStreamFromPool(/*isHighPriority=*/true, device_.index())),
        copy_(c10::cuda::getStreamFromPool(/*isHighPriority=*/false, device_.index())),
        nvml_(bus_id(index)) {}

  at::Device device() const override { return device_; }

  trainhost::MemoryStatistics memory() const override {
    const c10::cuda::CUDAGuard guard(device_);
    const auto statistics = c10::cuda::CUDACachingAllocator::getDeviceStats(device_.index());
    const auto& bytes = statistics.allocated_bytes[static_cast<std::size_t>(StatType::AGGREGATE)];
    std::size_t free = 0, total = 0;
    if (cudaMemGetInfo(&free, &total) != cudaSuccess) return {bytes.current, bytes.peak, -1, -1};
    return {bytes.current, bytes.peak, static_cast<std::int64_t>(total),
            static_cast<std::int64_t>(free)};
  }

  void reset_peak_memory() override {
    c10::cuda::CUDACachingAllocator::resetPeakStats(device_.index());
  }

  double utilisation() override { return nvml_.utilisation(); }
  trainhost::Gauges gauges() override { return nvml_.gauges(); }

  void synchronize() override {
    const c10::cuda::CUDAGuard guard(device_);
    const cudaError_t code = cudaDeviceSynchronize();
    if (code != cudaSuccess) throw device_failed(device_.index(), "synchronize", describe(code));
  }

  std::unique_ptr<trainhost::Communicator> communicator(trainhost::Store& store,
                                                        const std::string& name, int rank,
                                                        int world) override {
    if (world < 1 || rank < 0 || rank >= world) {
      throw Error(Failure::kRun,
                  {.where = "cuda group '" + name + "'",
                   .what = "there is no such rank",
                   .expected = "a rank below the world size",
                   .got = "rank " + std::to_string(rank) + " of " + std::to_string(world)});
    }
    return make_nccl_communicator(store, {name, rank, world, device_, sums_in_rank_order(host_)},
                                  options_, host_);
  }

  std::unique_ptr<StreamGuard> use(Stream role) override {
    return std::make_unique<Guard>(stream(role));
  }

  void order(Stream waiting, Stream issued) override {
    guarded(device_.index(), "order two streams", [&] {
      c10::cuda::CUDAEvent event;
      event.record(stream(issued));
      event.block(stream(waiting));
    });
  }

  /// Returns when what the calling thread has issued is done.
  void settle() {
    guarded(device_.index(), "wait for the current stream",
            [&] { c10::cuda::getCurrentCUDAStream(device_.index()).synchronize(); });
  }

 private:
  c10::cuda::CUDAStream stream(Stream role) const {
    switch (role) {
      case Stream::kCommunication:
        return communication_;
      case Stream::kCopy:
        return copy_;
      case Stream::kCompute:
        break;
    }
    return compute_;
  }

  static std::string bus_id(int index) {
    char text[32] = {};
    return cudaDeviceGetPCIBusId(text, sizeof(text), index) == cudaSuccess ? text : "";
  }

  const at::Device device_;
  const trainhost::OpenOptions options_;
  trainhost::Host& host_;
  const c10::cuda::CUDAStream compute_, communication_, copy_;
  const Nvml nvml_;
};

/// Makes the context, and says why where it cannot be made.
void prime(int index) {
  cudaError_t code = cudaSetDevice(index);
  if (code == cudaSuccess) code = cudaFree(nullptr);
  if (code != cudaSuccess) throw open_failed(index, describe(code));
}

class CudaDevice final : public trainhost::Device {
 public:
  explicit CudaDevice(trainhost::Host& host) : host_(host) { prepare_process_groups(); }

  std::unique_ptr<trainhost::DeviceSession> open(int index,
                                                 const trainhost::OpenOptions& options) override {
    if (index < 0) {
      throw Error(Failure::kDevice, {.where = "device 'cuda'",
                                     .what = "there is no such device",
                                     .expected = "an index from 0",
                                     .got = std::to_string(index)});
    }
    prime(index);
    return guarded(index, "open the device", [&] {
      const at::Device device(at::kCUDA, static_cast<c10::DeviceIndex>(index));
      // Through LibTorch once: the allocator and the kernels' module are there from now on.
      at::empty({1}, at::TensorOptions(at::kByte).device(device)).zero_();
      return std::make_unique<CudaSession>(index, patient(options, host_), host_);
    });
  }

  std::vector<std::unique_ptr<trainhost::Communicator>> local_communicators(
      std::span<trainhost::DeviceSession* const> sessions,
      const trainhost::OpenOptions& options) override {
    std::vector<CudaSession*> opened;
    for (trainhost::DeviceSession* session : sessions) {
      opened.push_back(static_cast<CudaSession*>(session));
    }
    const std::shared_ptr<Joint> joint = start_nccl(opened, options);
    const auto group =
        std::make_shared<LocalGroup>("threads", static_cast<int>(sessions.size()),
                                     collective_timeout(options.timeout_seconds), options.abort);
    std::vector<std::unique_ptr<trainhost::Communicator>> out;
    for (std::size_t r = 0; r < opened.size(); ++r) {
      CudaSession* const session = opened[r];
      const int rank = static_cast<int>(r);
      if (joint == nullptr) {
        out.push_back(std::make_unique<LocalCommunicator>(group, rank, session->device(),
                                                          [session] { session->settle(); }));
        continue;
      }
      const auto settle = [session, joint, rank] {
        session->settle();
        while (!joint->mark(rank)->done()) std::this_thread::yield();
      };
      out.push_back(
          std::make_unique<JointCommunicator>(group, rank, session->device(), settle, joint));
    }
    return out;
  }

 private:
  /// Null where the ranks reduce by copies, which is told where it costs something.
  std::shared_ptr<Joint> start_nccl(const std::vector<CudaSession*>& sessions,
                                    const trainhost::OpenOptions& options) {
    std::vector<int> devices;
    for (const CudaSession* session : sessions) devices.push_back(session->device().index());
    const LocalWay way = choose_local_way(devices, sums_in_rank_order(host_));
    if (!way.nccl) {
      if (!way.why.empty()) host_.log(trainhost::Host::Level::kInfo, way.why);
      return nullptr;
    }
    try {
      return make_joint_nccl(devices, options.abort);
    } catch (const Error& error) {
      host_.log(trainhost::Host::Level::kWarning,
                "NCCL does not start for the ranks of this process, which reduce by copies: " +
                    error.text().where + ": " + error.text().what + ": " + error.text().got);
      return nullptr;
    }
  }

  trainhost::Host& host_;
};

}  // namespace

std::unique_ptr<trainhost::Device> make_device(trainhost::Host& host) {
  return std::make_unique<CudaDevice>(host);
}

}  // namespace cuda
