#include "host/train/prefetcher.h"

#include <chrono>

namespace trainhost::train {

Prefetcher::Prefetcher(int workers, int depth,
                       std::function<std::optional<LoadRequest>()> following,
                       std::function<Batch(const LoadRequest&)> load)
    : following_(std::move(following)), load_(std::move(load)), slots_(depth) {
  for (int i = 0; i < workers; ++i) threads_.emplace_back([this] { work(); });
}

Prefetcher::~Prefetcher() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  space_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

Batch Prefetcher::next() {
  std::unique_lock lock(mutex_);
  Slot& slot = slots_[consumed_ % slots_.size()];
  if (!slot.batch && !slot.error) {
    const auto begin = std::chrono::steady_clock::now();
    ready_.wait(lock, [&] { return slot.batch || slot.error; });
    wait_seconds_ +=
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
  if (slot.error) std::rethrow_exception(slot.error);
  Batch batch = std::move(*slot.batch);
  slot.batch.reset();
  ++consumed_;
  lock.unlock();
  space_.notify_one();
  return batch;
}

void Prefetcher::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    space_.wait(lock, [&] {
      return stop_ || requested_ - consumed_ < static_cast<std::int64_t>(slots_.size());
    });
    if (stop_) return;
    Slot& slot = slots_[requested_++ % slots_.size()];
    std::optional<Batch> batch;
    std::exception_ptr error;
    try {
      const std::optional<LoadRequest> request = following_();
      if (!request) {
        --requested_;
        return;
      }
      lock.unlock();
      batch = load_(*request);
    } catch (...) {
      error = std::current_exception();
    }
    if (!lock.owns_lock()) lock.lock();
    slot.batch = std::move(batch);
    slot.error = error;
    ready_.notify_one();
  }
}

}  // namespace trainhost::train
