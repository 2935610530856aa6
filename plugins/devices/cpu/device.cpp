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

#include "cpu/communicator.h"
#include "cpu/memory.h"
#include "cpu/rendezvous.h"
#include "trainhost/error.h"

namespace cpu {
namespace {

using trainhost::Error;
using trainhost::Failure;

Patience patience_of(const trainhost::OpenOptions& options) {
  return {options.timeout_seconds, options.abort};
}

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
    const ProcessMemory process = process_memory();
    const MachineMemory machine = machine_memory();
    return {process.resident, process.peak_resident, machine.total, machine.free};
  }
  void reset_peak_memory() override { reset_process_peak(); }
  double utilisation() override { return utilisation_.since_last(); }
  void synchronize() override {}

  std::unique_ptr<trainhost::Communicator> communicator(trainhost::Store& store,
                                                        const std::string& name, int rank,
                                                        int world) override {
    if (world < 1 || rank < 0 || rank >= world) {
      throw Error(Failure::kRun,
                  {.where = "cpu group '" + name + "'",
                   .what = "there is no such rank",
                   .expected = "a rank below the world size",
                   .got = "rank " + std::to_string(rank) + " of " + std::to_string(world)});
    }
    std::unique_ptr<Engine> engine;
    if (world > 1) engine = meet_processes(store, name, rank, world, patience_of(options_));
    return std::make_unique<SharedCommunicator>(std::move(engine), name, rank, world);
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
    const int world = static_cast<int>(sessions.size());
    std::vector<std::unique_ptr<trainhost::Communicator>> communicators;
    if (world == 0) return communicators;
    LocalGroup group;
    if (world > 1) group = make_local_group("threads", world);
    for (int rank = 0; rank < world; ++rank) {
      std::unique_ptr<Engine> engine;
      if (world > 1) engine = join_local_group(group, rank, patience_of(options));
      communicators.push_back(
          std::make_unique<SharedCommunicator>(std::move(engine), "threads", rank, world));
    }
    return communicators;
  }

 private:
  // Shared with the sessions, which may outlive the device.
  const std::shared_ptr<std::atomic<int>> threads_ = std::make_shared<std::atomic<int>>(0);
};

}  // namespace

std::unique_ptr<trainhost::Device> make_device() { return std::make_unique<CpuDevice>(); }

}  // namespace cpu
