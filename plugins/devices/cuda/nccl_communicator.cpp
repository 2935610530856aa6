// The one file that sees ProcessGroupNCCL.hpp, which takes 15 s to compile.
#include "cuda/nccl_communicator.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#include <utility>
#include <vector>

#include "cuda/meeting.h"
#include "cuda/operation.h"
#include "cuda/rank_order.h"
#include "cuda/store_adapter.h"
#include "trainhost/error.h"

namespace cuda {
namespace {

using trainhost::Error;
using trainhost::Failure;
using trainhost::ReduceOp;
using trainhost::Traffic;
using trainhost::WorkHandle;
using Clock = std::chrono::steady_clock;
using Issued = c10::intrusive_ptr<c10d::Work>;

c10d::ReduceOp nccl_op(ReduceOp op) {
  return op == ReduceOp::kSum   ? c10d::ReduceOp::SUM
         : op == ReduceOp::kMin ? c10d::ReduceOp::MIN
                                : c10d::ReduceOp::MAX;
}

at::Tensor flat(const at::Tensor& tensor) { return tensor.detach().view(-1); }

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

/// Who is on which device: the machine's boot and the GPU's UUID are unique.
Member this_member(at::Device device) {
  std::array<char, 256> machine{};
  gethostname(machine.data(), machine.size() - 1);
  cudaDeviceProp properties{};
  cudaGetDeviceProperties(&properties, device.index());
  std::string uuid;
  for (const char byte : properties.uuid.bytes) {
    constexpr const char* kDigits = "0123456789abcdef";
    const auto value = static_cast<unsigned char>(byte);
    uuid += {kDigits[value >> 4], kDigits[value & 15]};
  }
  return {machine.data(), uuid};
}

/// Purpose: the process group, what ends its waits, and the errors it gives. Owner: shared by the
/// communicator and the Works it gave out, which may be destroyed after it. Threads: wait() and
/// issue() from the rank's threads, abort() from any.
class Group {
 public:
  Group(const GroupPlace& place, const trainhost::OpenOptions& options,
        c10::intrusive_ptr<c10d::ProcessGroupNCCL> processes)
      : place_(place),
        timeout_(options.timeout_seconds),
        abort_(options.abort),
        processes_(std::move(processes)),
        watcher_([this](const std::stop_token& stop) { watch(stop); }) {}

  ~Group() {
    watcher_.request_stop();
    watcher_.join();
    try {
      if (!aborted()) processes_->shutdown();
    } catch (const std::exception&) {
      // Another rank may have ended before: then there is nothing left to close in good order.
    }
  }

  /// Issues operations, one rank's in one order; what NCCL throws becomes an Error.
  template <class Function>
  Issued issue(const std::string& what, Function&& function) {
    const std::lock_guard lock(issue_mutex_);
    if (aborted()) fail(what, reason());
    try {
      const c10::cuda::CUDAGuard guard(place_.device);
      return function(*processes_);
    } catch (const Error&) {
      throw;
    } catch (const std::exception& error) {
      fail(what, first_line(error.what()));
    }
  }

  /// Returns when the work is done on the device.
  void wait(c10d::Work& work, const std::string& what) {
    const auto begin = Clock::now();
    const auto deadline = begin + std::chrono::duration<double>(timeout_);
    while (!completed(work, what)) {
      if (aborted()) fail(what, reason());
      if (abort_.raised()) fail(what, why_ended());
      const auto now = Clock::now();
      if (now > deadline) give_up(what);
      // Most operations end within microseconds; a long one must not take a core.
      if (now - begin > std::chrono::microseconds(200)) {
        std::this_thread::sleep_for(std::chrono::microseconds(20));
      }
    }
  }

  void abort(std::string_view reason) noexcept {
    try {
      {
        const std::lock_guard lock(reason_mutex_);
        if (aborted_.exchange(true)) return;
        reason_ = reason;
      }
      processes_->abort();
    } catch (const std::exception&) {
      // The flag is set, so nobody waits on: that is all an abort promises.
    }
  }

  const GroupPlace& place() const { return place_; }

 private:
  bool aborted() const { return aborted_.load(); }
  std::string reason() {
    const std::lock_guard lock(reason_mutex_);
    return reason_;
  }

  std::string why_ended() const {
    const int lost = abort_.lost_rank();
    return lost < 0 ? "the run was ended" : "rank " + std::to_string(lost) + " was lost";
  }

  bool completed(c10d::Work& work, const std::string& what) {
    try {
      if (!work.isCompleted()) return false;
      if (work.exception()) std::rethrow_exception(work.exception());
      return true;
    } catch (const std::exception& error) {
      fail(what, first_line(error.what()));
    }
  }

  [[noreturn]] void give_up(const std::string& what) {
    const std::string why = "not done within " + std::to_string(static_cast<int>(timeout_)) +
                            " s; NCCL does not tell which rank did not come";
    abort(why);
    fail(what, why,
         "the report of the rank that was lost, or hangs, says more; raise "
         "train.timeout if ranks differ that much");
  }

  [[noreturn]] void fail(const std::string& what, const std::string& why,
                         const std::string& fix = {}) const {
    throw Error(Failure::kRankLost,
                {.where = "cuda group '" + place_.name + "', rank " + std::to_string(place_.rank) +
                          " of " + std::to_string(place_.world) + ", " + what,
                 .what = "the collective did not come to its end",
                 .got = why,
                 .fix = fix});
  }

  /// A kernel that waits for a lost rank ends only when the group is aborted.
  void watch(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      if (abort_.raised()) return abort(why_ended());
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }

  const GroupPlace place_;
  const double timeout_;
  const trainhost::AbortSignal abort_;
  const c10::intrusive_ptr<c10d::ProcessGroupNCCL> processes_;
  std::mutex issue_mutex_, reason_mutex_;
  std::atomic<bool> aborted_{false};
  std::string reason_;    // protected by reason_mutex_
  std::jthread watcher_;  // last: it uses the others
};

/// An operation under way: keeps its tensors, and finishes in the stream of the thread that waits.
class NcclWork final : public trainhost::Work {
 public:
  NcclWork(std::shared_ptr<Group> group, std::string what, Issued issued,
           std::vector<at::Tensor> tensors, std::function<void()> finish)
      : group_(std::move(group)),
        what_(std::move(what)),
        issued_(std::move(issued)),
        tensors_(std::move(tensors)),
        finish_(std::move(finish)) {}

  void wait() override {
    if (!issued_) return;
    group_->wait(*issued_, what_);
    const c10::cuda::CUDAGuard guard(group_->place().device);
    issued_->wait();  // the current stream comes after the operation
    if (finish_) finish_();
    issued_.reset();
    tensors_.clear();
  }

 private:
  const std::shared_ptr<Group> group_;  // may outlive the communicator
  const std::string what_;
  Issued issued_;
  std::vector<at::Tensor> tensors_;
  const std::function<void()> finish_;
};

class NcclCommunicator final : public trainhost::Communicator {
 public:
  explicit NcclCommunicator(std::shared_ptr<Group> group)
      : group_(std::move(group)),
        checker_(group_->place().name, group_->place().rank, group_->place().world,
                 group_->place().device) {}

  int rank() const override { return checker_.rank(); }
  int world() const override { return checker_.world(); }
  /// A sum of two is the same in either order.
  bool sums_in_rank_order() const override {
    return group_->place().rank_order_sums || world() <= 2;
  }

  at::Tensor allocate(std::int64_t bytes) override {
    return at::zeros({bytes}, at::TensorOptions(at::kByte).device(checker_.device()));
  }

  WorkHandle all_reduce(at::Tensor data, ReduceOp op, Traffic) override {
    const Description what = checker_.in_place(Kind::kAllReduce, data, 0, op);
    if (by_hand(what)) return all_reduce_by_hand(flat(data), what);
    return issue(what, {data}, [&](c10d::ProcessGroupNCCL& processes) {
      std::vector<at::Tensor> tensors{flat(data)};
      c10d::AllreduceOptions options;
      options.reduceOp = nccl_op(op);
      return processes.allreduce(tensors, options);
    });
  }

  WorkHandle reduce(at::Tensor data, int root, ReduceOp op, Traffic tag) override {
    const Description what = checker_.in_place(Kind::kReduce, data, root, op);
    if (by_hand(what)) return all_reduce(std::move(data), op, tag);
    return issue(what, {data}, [&](c10d::ProcessGroupNCCL& processes) {
      return reduce_to(processes, flat(data), root, op);
    });
  }

  WorkHandle reduce_scatter(at::Tensor output, at::Tensor input, Counts counts, ReduceOp op,
                            Traffic) override {
    const Description what = checker_.reduce_scatter(output, input, counts, op);
    if (by_hand(what)) return reduce_scatter_by_hand(flat(output), flat(input), counts, what);
    const std::vector<std::int64_t> offsets = offsets_of(counts);
    const bool even = std::ranges::all_of(counts, [&](auto count) { return count == counts[0]; });
    const at::Tensor part = part_of(flat(input), offsets);
    const auto one_call = [&](c10d::ProcessGroupNCCL& processes) {
      at::Tensor to = flat(output), from = flat(input);
      c10d::ReduceScatterOptions options;
      options.reduceOp = nccl_op(op);
      return processes._reduce_scatter_base(to, from, options);
    };
    if (even) return issue(what, {output, input}, one_call);
    // A grouped reduce to each rank, in place; then the own part is copied out.
    const auto grouped = [&](c10d::ProcessGroupNCCL& processes) {
      return each_part(processes, flat(input), counts, [&](const at::Tensor& slice, int to) {
        reduce_to(processes, slice, to, op);
      });
    };
    return issue(what, {output, input}, grouped, copy_later(flat(output), part));
  }

  WorkHandle all_gather(at::Tensor output, at::Tensor input, Counts counts, Traffic) override {
    const Description what = checker_.all_gather(output, input, counts);
    const bool even = std::ranges::all_of(counts, [&](auto count) { return count == counts[0]; });
    const auto one_call = [&](c10d::ProcessGroupNCCL& processes) {
      at::Tensor to = flat(output), from = flat(input);
      return processes._allgather_base(to, from);
    };
    if (even) return issue(what, {output, input}, one_call);
    // A grouped broadcast from each rank, in place.
    const auto grouped = [&](c10d::ProcessGroupNCCL& processes) {
      if (auto copy = copy_later(part_of(flat(output), offsets_of(counts)), flat(input))) copy();
      return each_part(processes, flat(output), counts, [&](const at::Tensor& slice, int from) {
        broadcast_from(processes, slice, from);
      });
    };
    return issue(what, {output, input}, grouped);
  }

  WorkHandle broadcast(at::Tensor data, int root, Traffic) override {
    const Description what = checker_.in_place(Kind::kBroadcast, data, root, ReduceOp::kSum);
    return issue(what, {data}, [&](c10d::ProcessGroupNCCL& processes) {
      return broadcast_from(processes, flat(data), root);
    });
  }

  WorkHandle all_to_all(at::Tensor output, at::Tensor input, Counts output_counts,
                        Counts input_counts, Traffic) override {
    const Description what = checker_.all_to_all(output, input, output_counts, input_counts);
    // Each rank's counts differ, so this may be nothing here and something elsewhere.
    return issue(
        what, {output, input},
        [&](c10d::ProcessGroupNCCL& processes) {
          return exchange(processes, flat(output), flat(input), output_counts, input_counts);
        },
        {}, /*even_if_empty=*/true);
  }

  void barrier(Traffic tag) override {
    const at::Tensor here = at::zeros({1}, at::TensorOptions(at::kByte).device(checker_.device()));
    wait(all_reduce(here, ReduceOp::kMax, tag));
  }

  void abort(std::string_view reason) noexcept override { group_->abort(reason); }

 private:
  /// NCCL adds in an order of its own, and 16-bit numbers in 16 bits.
  bool by_hand(const Description& what) const {
    const bool narrow = what.type == at::kHalf || what.type == at::kBFloat16;
    return what.op == ReduceOp::kSum && world() > 2 && (group_->place().rank_order_sums || narrow);
  }

  template <class Function>
  WorkHandle issue(const Description& what, std::vector<at::Tensor> tensors, Function&& function,
                   std::function<void()> finish = {}, bool even_if_empty = false) {
    if (what.count == 0 && !even_if_empty) return nullptr;
    std::string text = what.text();
    Issued issued = group_->issue(text, function);
    return std::make_unique<NcclWork>(group_, std::move(text), std::move(issued),
                                      std::move(tensors), std::move(finish));
  }

  /// Null where `to` is `from`.
  static std::function<void()> copy_later(const at::Tensor& to, const at::Tensor& from) {
    if (to.const_data_ptr() == from.const_data_ptr()) return {};
    return [to, from] { at::Tensor(to).copy_(from); };
  }

  at::Tensor part_of(const at::Tensor& all, const std::vector<std::int64_t>& offsets) const {
    const auto mine = static_cast<std::size_t>(rank());
    return all.narrow(0, offsets[mine], offsets[mine + 1] - offsets[mine]);
  }

  /// One group of operations, one for each rank that has a part.
  template <class Function>
  static Issued each_part(c10d::ProcessGroupNCCL& processes, const at::Tensor& all, Counts counts,
                          Function&& function) {
    const std::vector<std::int64_t> offsets = offsets_of(counts);
    processes.startCoalescing();
    for (std::size_t rank = 0; rank < counts.size(); ++rank) {
      if (counts[rank] == 0) continue;
      function(all.narrow(0, offsets[rank], counts[rank]), static_cast<int>(rank));
    }
    return processes.endCoalescing();
  }

  static Issued reduce_to(c10d::ProcessGroupNCCL& processes, const at::Tensor& data, int root,
                          ReduceOp op) {
    std::vector<at::Tensor> tensors{data};
    c10d::ReduceOptions options;
    options.reduceOp = nccl_op(op);
    options.rootRank = root;
    return processes.reduce(tensors, options);
  }

  static Issued broadcast_from(c10d::ProcessGroupNCCL& processes, const at::Tensor& data,
                               int root) {
    std::vector<at::Tensor> tensors{data};
    c10d::BroadcastOptions options;
    options.rootRank = root;
    return processes.broadcast(tensors, options);
  }

  static Issued exchange(c10d::ProcessGroupNCCL& processes, at::Tensor output, at::Tensor input,
                         Counts output_counts, Counts input_counts) {
    std::vector<std::int64_t> received(output_counts.begin(), output_counts.end());
    std::vector<std::int64_t> sent(input_counts.begin(), input_counts.end());
    return processes.alltoall_base(output, input, received, sent);
  }

  /// The sum in rank order of this rank's part: all-to-all and a local sum. Returns when the sum
  /// is issued to the current stream; the wire carries what a reduce-scatter does.
  at::Tensor own_sum(const at::Tensor& input, Counts counts, const Description& what) {
    const auto mine = counts[static_cast<std::size_t>(rank())];
    const std::vector<std::int64_t> received(static_cast<std::size_t>(world()), mine);
    const at::Tensor parts = at::empty({mine * world()}, input.options());
    const std::string text = what.text() + ", in rank order";
    const Issued issued = group_->issue(text, [&](c10d::ProcessGroupNCCL& processes) {
      return exchange(processes, parts, input, received, counts);
    });
    group_->wait(*issued, text);
    issued->wait();
    std::vector<at::Tensor> by_rank;
    for (int other = 0; other < world(); ++other) {
      by_rank.push_back(parts.narrow(0, other * mine, mine));
    }
    return reduce_in_rank_order(by_rank, what.op);
  }

  WorkHandle reduce_scatter_by_hand(at::Tensor output, const at::Tensor& input, Counts counts,
                                    const Description& what) {
    const c10::cuda::CUDAGuard guard(checker_.device());
    output.copy_(own_sum(input, counts, what));
    return nullptr;
  }

  WorkHandle all_reduce_by_hand(at::Tensor data, const Description& what) {
    if (what.count == 0) return nullptr;
    const c10::cuda::CUDAGuard guard(checker_.device());
    const std::vector<std::int64_t> counts = even_parts(what.count, world());
    const at::Tensor sum = own_sum(data, counts, what);
    return all_gather(data, sum, counts, Traffic::kHost);
  }

  const std::shared_ptr<Group> group_;  // the Works share it
  const Checker checker_;
};

/// A world of one: nothing to send.
class LoneCommunicator final : public trainhost::Communicator {
 public:
  LoneCommunicator(const std::string& name, at::Device device) : checker_(name, 0, 1, device) {}

  int rank() const override { return 0; }
  int world() const override { return 1; }
  bool sums_in_rank_order() const override { return true; }
  at::Tensor allocate(std::int64_t bytes) override {
    return at::zeros({bytes}, at::TensorOptions(at::kByte).device(checker_.device()));
  }
  WorkHandle all_reduce(at::Tensor data, ReduceOp op, Traffic) override {
    checker_.in_place(Kind::kAllReduce, data, 0, op);
    return nullptr;
  }
  WorkHandle reduce(at::Tensor data, int root, ReduceOp op, Traffic) override {
    checker_.in_place(Kind::kReduce, data, root, op);
    return nullptr;
  }
  WorkHandle reduce_scatter(at::Tensor output, at::Tensor input, Counts counts, ReduceOp op,
                            Traffic) override {
    checker_.reduce_scatter(output, input, counts, op);
    return copy(output, input);
  }
  WorkHandle all_gather(at::Tensor output, at::Tensor input, Counts counts, Traffic) override {
    checker_.all_gather(output, input, counts);
    return copy(output, input);
  }
  WorkHandle broadcast(at::Tensor data, int root, Traffic) override {
    checker_.in_place(Kind::kBroadcast, data, root, ReduceOp::kSum);
    return nullptr;
  }
  WorkHandle all_to_all(at::Tensor output, at::Tensor input, Counts output_counts,
                        Counts input_counts, Traffic) override {
    checker_.all_to_all(output, input, output_counts, input_counts);
    return copy(output, input);
  }
  void barrier(Traffic) override {}
  void abort(std::string_view) noexcept override {}

 private:
  static WorkHandle copy(const at::Tensor& output, const at::Tensor& input) {
    if (output.const_data_ptr() != input.const_data_ptr()) flat(output).copy_(flat(input));
    return nullptr;
  }

  const Checker checker_;
};

void tell_of_sharing(const std::vector<Member>& members, int rank, trainhost::Host& host) {
  std::string settings;
  for (const auto& [name, value] : settings_for_sharing(members, rank)) {
    ::setenv(name.c_str(), value.c_str(), 0);
    settings += " " + name + "=" + std::getenv(name.c_str());
  }
  if (settings.empty() || rank != 0) return;
  std::string ranks;
  for (const int other : ranks_that_share(members)) ranks += " " + std::to_string(other);
  host.log(trainhost::Host::Level::kWarning,
           "ranks" + ranks + " share a GPU: correct, but slow; NCCL is told" + settings);
}

c10::intrusive_ptr<c10d::ProcessGroupNCCL> start_nccl(const c10::intrusive_ptr<StoreAdapter>& store,
                                                      const GroupPlace& place,
                                                      const trainhost::OpenOptions& options) {
  auto settings = c10d::ProcessGroupNCCL::Options::create(/*is_high_priority_stream=*/true);
  // Its own time-out comes after ours, which knows the name of the operation.
  settings->timeout =
      std::chrono::milliseconds(static_cast<std::int64_t>(options.timeout_seconds * 1000) + 10000);
  try {
    auto processes = c10::make_intrusive<c10d::ProcessGroupNCCL>(store, place.rank, place.world,
                                                                 std::move(settings));
    processes->eagerConnectSingleDevice(place.device);
    return processes;
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw Error(Failure::kDevice,
                {.where = "cuda group '" + place.name + "', rank " + std::to_string(place.rank),
                 .what = "NCCL does not start",
                 .got = first_line(error.what()),
                 .fix = "NCCL_DEBUG=INFO shows what it tries; two ranks on one GPU, or a network "
                        "interface (NCCL_SOCKET_IFNAME), are the usual causes"});
  }
}

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

std::unique_ptr<trainhost::Communicator> make_nccl_communicator(
    trainhost::Store& store, const GroupPlace& place, const trainhost::OpenOptions& options,
    trainhost::Host& host) {
  if (place.world == 1) return std::make_unique<LoneCommunicator>(place.name, place.device);
  const c10::cuda::CUDAGuard guard(place.device);
  const std::vector<Member> members =
      meet(store, place.name, place.rank, place.world, this_member(place.device));
  tell_of_sharing(members, place.rank, host);
  const auto adapter = c10::make_intrusive<StoreAdapter>(store, place.name + "/nccl/");
  auto group = std::make_shared<Group>(place, options, start_nccl(adapter, place, options));
  auto communicator = std::make_unique<NcclCommunicator>(std::move(group));
  communicator->barrier(Traffic::kHost);
  adapter->leave();
  return communicator;
}

}  // namespace cuda
