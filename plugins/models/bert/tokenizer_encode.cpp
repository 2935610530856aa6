// Tokenizer::encode: many texts on several threads.
#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

#include "bert/tokenizer.h"

namespace bert {
namespace {

constexpr std::int64_t kTextsAtOnce = 512;

/// The parts of a long piece of work, which threads take one by one.
class Parts {
 public:
  Parts(std::int64_t total, std::int64_t part) : total_(total), part_(part) {}

  std::int64_t count() const { return (total_ + part_ - 1) / part_; }
  std::int64_t begin(std::int64_t part) const { return part * part_; }
  std::int64_t end(std::int64_t part) const { return std::min(total_, (part + 1) * part_); }
  /// The next part, or -1 when there is none or the work was given up.
  std::int64_t take() {
    const std::int64_t part = next_.fetch_add(1);
    return part < count() && !given_up_ ? part : -1;
  }
  void finished(std::int64_t part) { done_ += end(part) - begin(part); }
  std::int64_t done() const { return done_; }
  void give_up(std::exception_ptr why) {
    const std::lock_guard lock(mutex_);
    if (why_ == nullptr) why_ = std::move(why);
    given_up_ = true;
  }
  /// After all threads have ended.
  void rethrow() const {
    if (why_ != nullptr) std::rethrow_exception(why_);
  }

 private:
  const std::int64_t total_, part_;
  std::atomic<std::int64_t> next_{0}, done_{0};
  std::atomic<bool> given_up_{false};
  std::mutex mutex_;
  std::exception_ptr why_;
};

Tokens joined(const std::vector<Tokens>& parts, std::int64_t texts) {
  Tokens out;
  out.offsets.reserve(static_cast<std::size_t>(texts) + 1);
  std::size_t total = 0;
  for (const Tokens& part : parts) total += part.ids.size();
  out.ids.reserve(total);
  for (const Tokens& part : parts) {
    const auto before = static_cast<std::int64_t>(out.ids.size());
    for (std::int64_t i = 0; i < part.size(); ++i) {
      out.offsets.push_back(before + part.offsets[static_cast<std::size_t>(i) + 1]);
    }
    out.ids.insert(out.ids.end(), part.ids.begin(), part.ids.end());
  }
  return out;
}

}  // namespace

Tokens Tokenizer::encode(std::span<const std::string_view> texts, std::int32_t max_length,
                         int threads,
                         const std::function<void(std::int64_t done)>& progress) const {
  const auto size = static_cast<std::int64_t>(texts.size());
  Parts parts(size, kTextsAtOnce);
  std::vector<Tokens> results(static_cast<std::size_t>(parts.count()));
  const auto work = [&](bool tells) {
    try {
      for (std::int64_t part = parts.take(); part >= 0; part = parts.take()) {
        Tokens& out = results[static_cast<std::size_t>(part)];
        for (std::int64_t i = parts.begin(part); i < parts.end(part); ++i) {
          append(texts[static_cast<std::size_t>(i)], max_length, out.ids);
          out.offsets.push_back(static_cast<std::int64_t>(out.ids.size()));
        }
        parts.finished(part);
        if (tells && progress) progress(parts.done());
      }
    } catch (...) {
      parts.give_up(std::current_exception());
    }
  };
  {
    std::vector<std::jthread> helpers;
    for (std::int64_t i = 1; i < std::min<std::int64_t>(threads, parts.count()); ++i) {
      helpers.emplace_back(work, false);
    }
    work(true);
  }
  parts.rethrow();
  if (progress) progress(size);
  return joined(results, size);
}

}  // namespace bert
