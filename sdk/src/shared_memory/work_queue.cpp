#include "shared_memory/work_queue.h"

#include <pthread.h>

#include <csignal>
#include <utility>

namespace shared_memory {

class WorkQueue::Handle final : public trainhost::Work {
 public:
  Handle(std::shared_ptr<WorkQueue> queue, std::shared_ptr<Item> item)
      : queue_(std::move(queue)), item_(std::move(item)) {}
  void wait() override { queue_->wait(*item_); }

 private:
  std::shared_ptr<WorkQueue> queue_;
  std::shared_ptr<Item> item_;
};

namespace {

/// Starts a thread that leaves the process's signals to the main thread.
std::thread start_quietly(std::function<void()> body) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread(std::move(body));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_setname_np(thread.native_handle(), "collectives");
  return thread;
}

}  // namespace

WorkQueue::~WorkQueue() { close(nullptr); }

trainhost::WorkHandle WorkQueue::issue(Job job) {
  auto item = std::make_shared<Item>();
  item->job = std::move(job);
  const std::lock_guard lock(mutex_);
  if (closed_) std::rethrow_exception(closed_reason_);
  if (!worker_.joinable()) worker_ = start_quietly([this] { work(); });
  items_.push_back(item);
  outstanding_.fetch_add(1, std::memory_order_relaxed);
  if (!running_) queued_.notify_one();
  return std::make_unique<Handle>(shared_from_this(), std::move(item));
}

void WorkQueue::wait(Item& item) {
  std::unique_lock lock(mutex_);
  while (!item.done) {
    if (!running_ && !items_.empty()) {
      run_next(lock, false);
    } else {
      finished_.wait(lock);
    }
  }
  if (item.error) std::rethrow_exception(item.error);
}

void WorkQueue::run_next(std::unique_lock<std::mutex>& lock, bool worker) {
  const std::shared_ptr<Item> item = std::move(items_.front());
  items_.pop_front();
  running_ = true;
  lock.unlock();
  try {
    item->job(worker);
  } catch (...) {
    item->error = std::current_exception();
  }
  item->job = nullptr;  // lets go of its tensors before anyone is told
  lock.lock();
  running_ = false;
  item->done = true;
  outstanding_.fetch_sub(1, std::memory_order_release);
  finished_.notify_all();
  if (!items_.empty()) queued_.notify_one();
}

void WorkQueue::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    queued_.wait(lock, [&] { return closed_ || (!running_ && !items_.empty()); });
    if (closed_) return;
    run_next(lock, true);
  }
}

void WorkQueue::close(const std::exception_ptr& reason) {
  std::unique_lock lock(mutex_);
  closed_ = true;
  closed_reason_ = reason;
  for (const std::shared_ptr<Item>& item : items_) {
    item->error = reason;
    item->done = true;
    outstanding_.fetch_sub(1, std::memory_order_release);
  }
  std::deque<std::shared_ptr<Item>> dropped = std::move(items_);
  items_.clear();
  queued_.notify_all();
  finished_.notify_all();
  finished_.wait(lock, [&] { return !running_; });
  lock.unlock();
  if (worker_.joinable()) worker_.join();
}

}  // namespace shared_memory
