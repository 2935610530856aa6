// Saving and loading take the memory of one tensor beside the state, and saving none where the
// tensors are contiguous in the CPU's memory.
//
// Method: the kernel's high-water mark of the resident memory, set back before each.
#include <ATen/ops/full.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "support.h"

namespace {

using namespace trainhost;
using namespace trainhost::testing;

constexpr std::int64_t kTensors = 8, kElements = std::int64_t{1} << 20;
constexpr std::int64_t kTensorKb = kElements * 4 / 1024;
// Headers, buffers, the pages of code that runs for the first time.
constexpr std::int64_t kSlackKb = 2048;

State large_state(float value) {
  State state;
  for (std::int64_t i = 0; i < kTensors; ++i) {
    state["parameter/" + std::to_string(i)] = at::full({1024, kElements / 1024}, value);
  }
  return state;
}

std::int64_t memory_kb(const std::string& what) {
  std::ifstream lines("/proc/self/status");
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(what)) return std::stoll(line.substr(what.size()));
  }
  return 0;
}

/// By how much the memory rose above where it was while `work` ran; -1 where that cannot be told.
std::int64_t rise_kb(const std::function<void()>& work) {
  std::ofstream("/proc/self/clear_refs") << "5" << std::flush;
  const std::int64_t before = memory_kb("VmRSS:");
  if (memory_kb("VmHWM:") > before + kSlackKb / 2) {
    WARN("skipped: the kernel does not set the high-water mark back");
    return -1;
  }
  work();
  return memory_kb("VmHWM:") - before;
}

void save_slices(const std::string& folder, const std::vector<StateSlice>& slices) {
  checkpoint::save(folder, slices, some_position(4), some_identity(), 0, 1, [] {});
}

}  // namespace

TEST_CASE("saving tensors that are contiguous takes no memory") {
  const Scratch scratch;
  const State state = large_state(1);
  save_slices(scratch / "first", slices_of(some_state(1), 0, 1));
  CHECK(rise_kb([&] { save_slices(scratch / "step-4", slices_of(state, 0, 1)); }) < kSlackKb);
}

TEST_CASE("saving tensors that are not contiguous takes the memory of one") {
  const Scratch scratch;
  const State state = large_state(1);
  std::vector<StateSlice> slices = slices_of(state, 0, 1);
  for (StateSlice& slice : slices) slice.data = slice.data.view({1024, -1}).t();
  save_slices(scratch / "first", slices_of(some_state(1), 0, 1));
  const std::int64_t rise = rise_kb([&] { save_slices(scratch / "step-4", slices); });
  CHECK(rise < kTensorKb + kSlackKb);
}

TEST_CASE("loading takes the memory of one tensor beside the slices") {
  const Scratch scratch;
  const State state = large_state(1);
  testing::save(scratch / "step-4", state, 4, 2);
  const State out = large_state(0);
  std::vector<StateSlice> slices = slices_of(out, 0, 1);
  const std::int64_t rise =
      rise_kb([&] { checkpoint::load(scratch / "step-4", slices, some_identity()); });
  CHECK(rise < kTensorKb + kSlackKb);
  CHECK(equal(out, state));
}
