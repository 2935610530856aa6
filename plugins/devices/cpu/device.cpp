#include "cpu/device.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <ctime>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "shared_memory/communicators.h"
#include "shared_memory/memory.h"
#include "trainhost/error.h"

namespace cpu {
namespace {

using trainhost::Error;
using trainhost::Failure;

/// The share of the threads' time that this process has computed, over all its sessions: in `dp`
/// they are ranks of one process, which has one clock.
class Utilisation {
 public:
  explicit Utilisation(std::shared_ptr<const std::atomic<int>> threads)
      : threads_(std::move(threads)) {}

  double since_last() {
    const double wall = seconds(CLOCK_MONOTONIC), work = seconds(CLOCK_PROCESS_CPUTIME_ID);
    const double passed = (wall - wall_) * threads_->load(), done = work - work_;
    wall_ = wall;
    work_ = work;
    return passed > 0 ? std::min(1.0, done / passed) : std::numeric_limits<double>::quiet_NaN();
  }

 private:
  static double seconds(clockid_t clock) {
    timespec time = {};
    ::clock_gettime(clock, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  }

  std::shared_ptr<const std::atomic<int>> threads_;  // of all sessions: they share the process
  double wall_ = seconds(CLOCK_MONOTONIC), work_ = seconds(CLOCK_PROCESS_CPUTIME_ID);
};

class CpuSession final : public trainhost::DeviceSession {
 public:
  CpuSession(const trainhost::OpenOptions& options, std::shared_ptr<const std::atomic<int>> threads)
      : options_(options), utilisation_(std::move(threads)) {}

  at::Device device() const override { return at::Device(at::kCPU); }

  trainhost::MemoryStatistics memory() const override {
    const auto process = shared_memory::process_memory();
    const auto machine = shared_memory::machine_memory();
    return {process.resident, process.peak_resident, machine.total, machine.free};
  }
  void reset_peak_memory() override { shared_memory::reset_process_peak(); }
  double utilisation() override { return utilisation_.since_last(); }
  void synchronize() override {}

  std::unique_ptr<trainhost::Communicator> communicator(trainhost::Store& store,
                                                        const std::string& name, int rank,
                                                        int world) override {
    return shared_memory::process_communicator(store, name, rank, world, options_);
  }

 private:
  const trainhost::OpenOptions options_;
  Utilisation utilisation_;
};

class CpuDevice final : public trainhost::Device {
 public:
  std::unique_ptr<trainhost::DeviceSession> open(int index,
                                                 const trainhost::OpenOptions& options) override {
    if (index < 0 || options.threads < 1) {
      throw Error(Failure::kDevice, {.where = "device 'cpu'",
                                     .what = "cannot open it like this",
                                     .expected = "an index from 0, and at least one thread",
                                     .got = "index " + std::to_string(index) + ", " +
                                            std::to_string(options.threads) + " threads"});
    }
    at::set_num_threads(options.threads);
    *threads_ += options.threads;
    return std::make_unique<CpuSession>(options, threads_);
  }

  std::vector<std::unique_ptr<trainhost::Communicator>> local_communicators(
      std::span<trainhost::DeviceSession* const> sessions,
      const trainhost::OpenOptions& options) override {
    return shared_memory::thread_communicators(static_cast<int>(sessions.size()), options);
  }

 private:
  // Shared with the sessions, which may outlive the device.
  const std::shared_ptr<std::atomic<int>> threads_ = std::make_shared<std::atomic<int>>(0);
};

}  // namespace

std::unique_ptr<trainhost::Device> make_device() { return std::make_unique<CpuDevice>(); }

}  // namespace cpu
