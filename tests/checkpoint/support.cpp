#include "support.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros_like.h>
#include <c10/util/Exception.h>
#include <sys/resource.h>
#include <unistd.h>

#include <barrier>
#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

namespace trainhost::testing {

namespace fs = std::filesystem;

Scratch::Scratch() {
  // In memory where that can be had: these tests sync hundreds of files.
  const bool memory = ::access("/dev/shm", W_OK | X_OK) == 0;
  const fs::path parent = memory ? fs::path("/dev/shm") : fs::temp_directory_path();
  std::string pattern = (parent / "checkpoint-XXXXXX").string();
  path_ = ::mkdtemp(pattern.data());
}

Scratch::~Scratch() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

State some_state(int seed) {
  const auto values = [&](std::vector<std::int64_t> shape, int salt) {
    std::int64_t count = 1;
    for (const std::int64_t size : shape) count *= size;
    return (at::arange(count, at::kFloat) * (0.37F + static_cast<float>(seed)) +
            static_cast<float>(salt))
        .sin()
        .view(shape);
  };
  return {{"parameter/a.weight", values({7, 5}, 1)},
          {"parameter/b.half", values({33}, 2).to(at::kBFloat16)},
          {"optimizer/fit/exp_avg/a.weight", values({7, 5}, 3)},
          {"optimizer/fit/updates/a.weight", at::arange(1, at::kLong) + seed},
          {"buffer/b.seen", values({11}, 4).gt(0)}};
}

State zeros_like(const State& state) {
  State out;
  for (const auto& [name, tensor] : state) out[name] = at::zeros_like(tensor);
  return out;
}

std::vector<StateSlice> slices_of(const State& state, int rank, int world) {
  std::vector<StateSlice> out;
  for (const auto& [name, tensor] : state) {
    const std::int64_t count = tensor.numel();
    // Uneven, and nothing for some ranks where there are few elements.
    const auto cut = [&](int at) {
      return at == world ? count : count * at * at / (world * world);
    };
    const std::int64_t begin = cut(rank), end = cut(rank + 1);
    out.push_back(
        {name, tensor.sizes().vec(), begin, tensor.view(-1).narrow(0, begin, end - begin), false});
  }
  return out;
}

checkpoint::Position some_position(std::int64_t step) {
  checkpoint::Position at;
  at.epoch = 3;
  at.objective = 1;
  at.step = 2;
  at.global_steps = {step - 1, 1};
  at.effective_batches = {8, 16};
  at.has_best = true;
  at.best = 0.1;
  at.best_epoch = 2;
  at.best_step = step;
  at.best_metrics = {{"recall@20", 0.1}};
  return at;
}

checkpoint::Identity some_identity(int world) { return {"tiny", "ddp", world, 5}; }

void save(const std::string& folder, const State& state, std::int64_t step, int world,
          bool replicated) {
  std::barrier meeting(world);
  std::vector<std::thread> ranks;
  for (int rank = 0; rank < world; ++rank) {
    ranks.emplace_back([&, rank] {
      std::vector<StateSlice> slices =
          replicated ? slices_of(state, 0, 1) : slices_of(state, rank, world);
      for (StateSlice& slice : slices) slice.replicated = replicated;
      checkpoint::save(folder, slices, some_position(step), some_identity(world), rank, world,
                       [&] { meeting.arrive_and_wait(); });
    });
  }
  for (std::thread& rank : ranks) rank.join();
}

State load(const std::string& folder, const State& like, int world) {
  State out = zeros_like(like);
  for (int rank = 0; rank < world; ++rank) {
    std::vector<StateSlice> slices = slices_of(out, rank, world);
    checkpoint::load(folder, slices, some_identity());
  }
  return out;
}

bool equal(const State& left, const State& right) {
  if (left.size() != right.size()) return false;
  for (const auto& [name, tensor] : left) {
    const auto other = right.find(name);
    if (other == right.end() || !at::equal(tensor, other->second)) return false;
  }
  return true;
}

std::string read(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write(const std::string& file, const std::string& text) {
  std::ofstream(file, std::ios::binary) << text;
}

void flip(const std::string& file, std::int64_t at, int bit) {
  std::string text = read(file);
  char& byte = text.at(static_cast<std::size_t>(at < 0 ? at + std::ssize(text) : at));
  byte = static_cast<char>(byte ^ (1 << bit));
  write(file, text);
}

std::string refusal(Failure failure, const std::function<void()>& function) {
  try {
    function();
  } catch (const Error& error) {
    CHECK(error.failure() == failure);
    return error.what();
  }
  FAIL("nothing was refused");
  return "";
}

FileSizeLimit::FileSizeLimit(std::int64_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &limit) == 0);
  before_ = limit.rlim_cur;
  limit.rlim_cur = static_cast<rlim_t>(bytes);
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

FileSizeLimit::~FileSizeLimit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_FSIZE, &limit);
  limit.rlim_cur = before_;
  ::setrlimit(RLIMIT_FSIZE, &limit);
  std::signal(SIGXFSZ, handler_);
}

}  // namespace trainhost::testing
