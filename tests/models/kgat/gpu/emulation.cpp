#include "emulation.h"

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#ifndef __x86_64__
#error "fibers are switched by the code of x86-64 below"
#endif

// switch_fiber(void** leave, void* enter): keeps the registers that a call must keep on this stack,
// writes the stack's end to *leave, and goes on where `enter` was left.
asm(R"(
.text
.type trainhost_switch_fiber, @function
trainhost_switch_fiber:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size trainhost_switch_fiber, . - trainhost_switch_fiber
)");
extern "C" void trainhost_switch_fiber(void** leave, void* enter);

namespace emulation {

thread_local Place place;

namespace {

constexpr std::size_t kStack = std::size_t{64} << 10;
constexpr int kWarp = 32;
constexpr cudaError_t kDivergent = 1;

/// All who come wait until `expected` have come.
struct Barrier {
  int expected = 0, arrived = 0;
  std::size_t generation = 0;
};

struct Warp {
  Barrier barrier;
  std::uint64_t shown[kWarp];
};

struct Fiber {
  std::unique_ptr<std::byte[]> stack;
  void* at = nullptr;
  unsigned index = 0;
  const Barrier* waits_for = nullptr;
  std::size_t generation = 0;  // that it waits to see end
  bool done = false;

  bool ready() const {
    return !done && (waits_for == nullptr || waits_for->generation != generation);
  }
};

struct Machine {
  std::vector<Fiber> fibers;
  std::vector<Warp> warps;
  Barrier block;
  const std::function<void()>* kernel = nullptr;
  Fiber* running = nullptr;
  void* scheduler = nullptr;
  cudaError_t error = cudaSuccess;
};

thread_local Machine machine;

void leave_fiber() { trainhost_switch_fiber(&machine.running->at, machine.scheduler); }

void run_fiber() {
  (*machine.kernel)();
  machine.running->done = true;
  leave_fiber();
  __builtin_unreachable();
}

void prepare(Fiber& fiber, unsigned index) {
  if (!fiber.stack) fiber.stack = std::make_unique<std::byte[]>(kStack);
  auto end = reinterpret_cast<std::uintptr_t>(fiber.stack.get() + kStack) & ~std::uintptr_t{15};
  auto* words = reinterpret_cast<void**>(end);
  std::fill(words - 8, words, nullptr);
  words[-2] = reinterpret_cast<void*>(&run_fiber);  // six registers lie below it
  fiber.at = words - 8;
  fiber.index = index;
  fiber.waits_for = nullptr;
  fiber.done = false;
}

void wait_at(Barrier& barrier) {
  if (++barrier.arrived == barrier.expected) {
    barrier.arrived = 0;
    ++barrier.generation;
    return;
  }
  machine.running->waits_for = &barrier;
  machine.running->generation = barrier.generation;
  leave_fiber();
}

Warp& own_warp() { return machine.warps[place.thread.x / kWarp]; }

/// Whether all threads of the block came to their end.
bool run_block(unsigned threads) {
  for (Warp& warp : machine.warps) warp.barrier = {kWarp, 0, 0};
  machine.block = {static_cast<int>(threads), 0, 0};
  for (unsigned t = 0; t < threads; ++t) prepare(machine.fibers[t], t);
  unsigned done = 0;
  for (bool progress = true; progress && done < threads;) {
    progress = false;
    for (unsigned t = 0; t < threads; ++t) {
      Fiber& fiber = machine.fibers[t];
      if (!fiber.ready()) continue;
      progress = true;
      machine.running = &fiber;
      place.thread = {t, 0, 0};
      trainhost_switch_fiber(&machine.scheduler, fiber.at);
      if (fiber.done) ++done;
    }
  }
  return done == threads;
}

}  // namespace

void launch(dim3 blocks, dim3 threads, const std::function<void()>& kernel, void*) {
  if (machine.fibers.size() < threads.x) machine.fibers.resize(threads.x);
  machine.warps.resize(threads.x / kWarp);
  machine.kernel = &kernel;
  place.block_size = threads;
  place.grid = blocks;
  for (unsigned z = 0; z < blocks.z; ++z) {
    for (unsigned y = 0; y < blocks.y; ++y) {
      for (unsigned x = 0; x < blocks.x; ++x) {
        place.block = {x, y, z};
        if (!run_block(threads.x)) machine.error = kDivergent;
      }
    }
  }
}

void wait_for_block() { wait_at(machine.block); }
void wait_for_warp() { wait_at(own_warp().barrier); }
std::uint64_t& shown(int lane) { return own_warp().shown[lane]; }
cudaError_t take_error() { return std::exchange(machine.error, cudaSuccess); }

}  // namespace emulation
