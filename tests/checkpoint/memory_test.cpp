// Saving and loading take the memory of one tensor beside the state, and saving none where the
// tensors are contiguous in the CPU's memory.
//
// Method: an allocator that counts what tensors take, and the kernel's high-water mark of the
// resident memory, which counts mapped files too. What code takes when it is first used is no part
// of it: each is done once before.
#include <ATen/ops/full.h>
#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "support.h"

namespace {

using namespace trainhost;
using namespace trainhost::testing;

constexpr std::int64_t kTensors = 8, kElements = std::int64_t{1} << 20;
constexpr std::int64_t kTensorBytes = kElements * 4, kSlackBytes = std::int64_t{2} << 20;

// The address sanitizer keeps what is freed, to find its use.
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
constexpr bool kKeepsFreedMemory = true;
#else
constexpr bool kKeepsFreedMemory = false;
#endif

/// Counts the bytes of tensors while it lives.
class CountingAllocator : public c10::Allocator {
 public:
  CountingAllocator() : inner_(*c10::GetCPUAllocator()) { c10::SetCPUAllocator(this, 1); }
  ~CountingAllocator() override { c10::SetCPUAllocator(&inner_, 1); }

  c10::DataPtr allocate(std::size_t bytes) override {
    auto block = std::make_unique<Block>(Block{inner_.allocate(bytes), *this, bytes});
    now_ += static_cast<std::int64_t>(bytes);
    peak_ = std::max(peak_, now_);
    void* const data = block->data.get();
    return {data, block.release(), &CountingAllocator::give_back, c10::Device(c10::kCPU)};
  }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }
  std::int64_t peak() const { return peak_; }

 private:
  struct Block {
    c10::DataPtr data;
    CountingAllocator& owner;
    std::size_t bytes;
  };
  static void give_back(void* context) {
    const std::unique_ptr<Block> block(static_cast<Block*>(context));
    block->owner.now_ -= static_cast<std::int64_t>(block->bytes);
  }

  c10::Allocator& inner_;
  std::int64_t now_ = 0, peak_ = 0;
};

State large_state(float value) {
  State state;
  for (std::int64_t i = 0; i < kTensors; ++i) {
    state["parameter/" + std::to_string(i)] = at::full({1024, kElements / 1024}, value);
  }
  return state;
}

std::int64_t memory_of(const std::string& what) {
  std::ifstream lines("/proc/self/status");
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(what)) return 1024 * std::stoll(line.substr(what.size()));
  }
  return 0;
}

/// By how many bytes the memory rose above where it was while `work` ran; -1 where that cannot be
/// told.
std::int64_t rise(const std::function<void()>& work) {
  work();
  std::ofstream("/proc/self/clear_refs") << "5" << std::flush;
  const std::int64_t before = memory_of("VmRSS:");
  if (kKeepsFreedMemory || memory_of("VmHWM:") > before + kSlackBytes / 2) {
    WARN("skipped: the high-water mark of the memory cannot be told here");
    return -1;
  }
  work();
  return memory_of("VmHWM:") - before;
}

void save_slices(const std::string& folder, const std::vector<StateSlice>& slices) {
  checkpoint::save(folder, slices, some_position(4), some_identity(), 0, 1, [] {});
}

}  // namespace

TEST_CASE("saving tensors that are contiguous takes no memory") {
  const Scratch scratch;
  const State state = large_state(1);
  const std::vector<StateSlice> slices = slices_of(state, 0, 1);
  CHECK(rise([&] { save_slices(scratch / "step-4", slices); }) < kSlackBytes);
  const CountingAllocator allocator;
  save_slices(scratch / "step-4", slices);
  CHECK(allocator.peak() == 0);
}

TEST_CASE("saving tensors that are not contiguous takes the memory of one") {
  const Scratch scratch;
  const State state = large_state(1);
  std::vector<StateSlice> slices = slices_of(state, 0, 1);
  for (StateSlice& slice : slices) slice.data = slice.data.view({1024, -1}).t();
  const CountingAllocator allocator;
  save_slices(scratch / "step-4", slices);
  CHECK(allocator.peak() >= kTensorBytes);
  CHECK(allocator.peak() < kTensorBytes + kSlackBytes);
}

TEST_CASE("loading takes the memory of one tensor beside the slices") {
  const Scratch scratch;
  const State state = large_state(1), out = large_state(0);
  testing::save(scratch / "step-4", state, 4, 2);
  std::vector<StateSlice> slices = slices_of(out, 0, 1);
  const auto load = [&] { checkpoint::load(scratch / "step-4", slices, some_identity()); };
  CHECK(rise(load) < kTensorBytes + kSlackBytes);
  const CountingAllocator allocator;
  load();
  CHECK(allocator.peak() == 0);
  CHECK(equal(out, state));
}
