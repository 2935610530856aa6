// ThreadWire: a Wire of CPU threads, for tests of what is built on one. As NCCL does it adds in an
// order of its own (from the last rank to the first), 16-bit numbers in 16 bits; what is aborted
// looks as if it were done.
#pragma once

#include <ATen/ops/cat.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/minimum.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "cuda/local_communicator.h"
#include "cuda/wire.h"

class ThreadWire final : public cuda::Wire {
 public:
  ThreadWire(std::shared_ptr<cuda::LocalGroup> group, int rank)
      : group_(std::move(group)),
        ranks_(group_, rank, at::kCPU, [] {}),
        worker_([this](const std::stop_token& stop) { work(stop); }) {}

  cuda::Issued all_reduce(const at::Tensor& data, trainhost::ReduceOp op) override {
    return later([this, data, op] { data.copy_(reduced(data, op)); });
  }
  cuda::Issued reduce(const at::Tensor& data, int root, trainhost::ReduceOp op) override {
    return later([this, data, root, op] {
      const at::Tensor sum = reduced(data, op);
      if (ranks_.rank() == root) {
        data.copy_(sum);
      } else {
        data.fill_(-1);  // undefined
      }
    });
  }
  cuda::Issued broadcast(const at::Tensor& data, int root) override {
    return later([this, data, root] { wait(ranks_.broadcast(data, root, kTag)); });
  }
  cuda::Issued reduce_scatter(const at::Tensor& output, const at::Tensor& input,
                              trainhost::ReduceOp op) override {
    return later([this, output, input, op] {
      output.copy_(reduced(input, op).narrow(0, ranks_.rank() * output.numel(), output.numel()));
    });
  }
  cuda::Issued all_gather(const at::Tensor& output, const at::Tensor& input) override {
    return later([this, output, input] {
      const std::vector<std::int64_t> counts(static_cast<std::size_t>(ranks_.world()),
                                             input.numel());
      wait(ranks_.all_gather(output, input, counts, kTag));
    });
  }
  cuda::Issued all_to_all(const at::Tensor& output, const at::Tensor& input,
                          cuda::Counts output_counts, cuda::Counts input_counts) override {
    std::vector<std::int64_t> received(output_counts.begin(), output_counts.end());
    std::vector<std::int64_t> sent(input_counts.begin(), input_counts.end());
    return later([this, output, input, received, sent] {
      wait(ranks_.all_to_all(output, input, received, sent, kTag));
    });
  }
  cuda::Issued together(const std::function<void()>& issue) override {
    std::vector<std::function<void()>> all;
    together_ = &all;
    issue();
    together_ = nullptr;
    return later([all] {
      for (const auto& one : all) one();
    });
  }

  void abort() override {
    aborted_ = true;
    group_->abort("the wire was aborted");
  }
  void close() override { ++closed; }
  std::string write_record() override { return record; }

  static inline std::atomic<int> closed{0};
  std::string record{};

 private:
  static constexpr auto kTag = trainhost::Traffic::kHost;

  struct State {
    std::atomic<bool> done{false};
    std::exception_ptr thrown;
  };
  class ThreadPending final : public cuda::Pending {
   public:
    explicit ThreadPending(std::shared_ptr<State> state) : state_(std::move(state)) {}
    bool done() override {
      if (!state_->done) return false;
      if (state_->thrown) std::rethrow_exception(state_->thrown);
      return true;
    }
    void order() override {}

   private:
    const std::shared_ptr<State> state_;
  };

  cuda::Issued later(std::function<void()> job) {
    if (together_ != nullptr) {
      together_->push_back(std::move(job));
      return nullptr;
    }
    auto state = std::make_shared<State>();
    {
      const std::lock_guard lock(mutex_);
      jobs_.emplace_back(std::move(job), state);
    }
    changed_.notify_all();
    return std::make_unique<ThreadPending>(state);
  }

  void work(const std::stop_token& stop) {
    for (;;) {
      std::unique_lock lock(mutex_);
      if (!changed_.wait(lock, stop, [&] { return !jobs_.empty(); })) return;
      auto [job, state] = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      try {
        job();
      } catch (const std::exception&) {
        if (!aborted_) state->thrown = std::current_exception();
      }
      state->done = true;
    }
  }

  at::Tensor reduced(const at::Tensor& data, trainhost::ReduceOp op) {
    const auto world = static_cast<std::size_t>(ranks_.world());
    const std::vector<std::int64_t> counts(world, data.numel());
    const at::Tensor all = at::empty({ranks_.world() * data.numel()}, data.options());
    wait(ranks_.all_gather(all, data, counts, kTag));
    at::Tensor out = all.narrow(0, (ranks_.world() - 1) * data.numel(), data.numel()).clone();
    for (int rank = ranks_.world() - 2; rank >= 0; --rank) {
      const at::Tensor part = all.narrow(0, rank * data.numel(), data.numel());
      out = op == trainhost::ReduceOp::kSum   ? out.add_(part)
            : op == trainhost::ReduceOp::kMin ? at::minimum(out, part)
                                              : at::maximum(out, part);
    }
    return out;
  }

  const std::shared_ptr<cuda::LocalGroup> group_;
  cuda::LocalCommunicator ranks_;
  std::vector<std::function<void()>>* together_ = nullptr;
  std::atomic<bool> aborted_{false};
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<std::pair<std::function<void()>, std::shared_ptr<State>>> jobs_;
  std::jthread worker_;
};
