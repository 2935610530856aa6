// bench_checkpoint FOLDER MEGABYTES ROUNDS: what saving costs beside what it must cost.
//
// The state is that of a KGAT with Adam for two objectives: one large table and some small ones,
// and five times as much of optimizer states, all on the CPU. Each round times, by turns, a copy of
// the state in memory, a plain write of the same bytes with one fsync, a save, and a load; the
// kernel's buffers are flushed in between. Prints one JSON object with the seconds of each round.
#include <ATen/ops/empty.h>
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "host/checkpoint/checkpoint.h"
#include "trainhost/files.h"

namespace {

using namespace trainhost;

std::vector<StateSlice> make_state(std::int64_t bytes) {
  constexpr std::int64_t kDim = 64;
  const std::int64_t rows = bytes / 6 / kDim / 4;
  const std::vector<std::pair<std::string, std::vector<std::int64_t>>> parameters = {
      {"entities", {rows, kDim}}, {"relations", {40, kDim}}, {"W_r", {40, kDim, kDim}},
      {"layer1.W", {kDim, kDim}}, {"layer1.b", {kDim}},      {"layer2.W", {kDim, 32}},
      {"layer2.b", {32}},         {"layer3.W", {32, 16}},    {"layer3.b", {16}}};
  const std::vector<std::string> kinds = {"parameter/",
                                          "optimizer/cf/exp_avg/",
                                          "optimizer/cf/exp_avg_sq/",
                                          "optimizer/kg/exp_avg/",
                                          "optimizer/kg/exp_avg_sq/",
                                          "buffer/"};
  std::vector<StateSlice> state;
  std::uint32_t random = 1;
  for (const auto& [name, shape] : parameters) {
    for (const std::string& kind : kinds) {
      at::Tensor values = at::empty(shape, at::kFloat).view(-1);
      // No disk and no file system should find anything to compress.
      auto* words = static_cast<std::uint32_t*>(values.mutable_data_ptr());
      for (std::int64_t i = 0; i < values.numel(); ++i) {
        words[i] = random = random * 1664525U + 1013904223U;
      }
      state.push_back({kind + name, shape, 0, values, true});
    }
  }
  return state;
}

double seconds(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void copy(const std::vector<StateSlice>& state, char* to) {
  for (const StateSlice& slice : state) {
    std::memcpy(to, slice.data.const_data_ptr(), slice.data.nbytes());
    to += slice.data.nbytes();
  }
}

/// Ends the program where the disk does not take it: there is nothing to measure then.
void write_plainly(const std::vector<StateSlice>& state, const std::string& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  for (const StateSlice& slice : state) {
    const char* from = static_cast<const char*>(slice.data.const_data_ptr());
    for (std::size_t left = slice.data.nbytes(); left > 0;) {
      const ssize_t done = ::write(fd, from, left);
      if (done <= 0) std::abort();
      from += done;
      left -= static_cast<std::size_t>(done);
    }
  }
  if (::fsync(fd) != 0 || ::close(fd) != 0) std::abort();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return std::fputs("usage: bench_checkpoint FOLDER MEGABYTES ROUNDS\n", stderr), 2;
  const std::string folder = std::string(argv[1]) + "/bench-checkpoint";
  std::vector<StateSlice> state = make_state(std::int64_t{1000000} * std::atoll(argv[2]));
  std::int64_t bytes = 0;
  for (const StateSlice& slice : state) bytes += static_cast<std::int64_t>(slice.data.nbytes());
  std::vector<char> copied(bytes, 1);
  make_empty_folder(folder);
  std::map<std::string, std::vector<double>> times;
  for (int round = 0; round < std::atoi(argv[3]); ++round) {
    times["copy"].push_back(seconds([&] { copy(state, copied.data()); }));
    times["write"].push_back(seconds([&] { write_plainly(state, folder + "/plain"); }));
    remove_tree(folder + "/plain");
    ::sync();
    checkpoint::Position position;
    position.global_steps = position.effective_batches = {1, 1};
    times["save"].push_back(seconds([&] {
      checkpoint::save(folder + "/step-1", state, position, {"kgat", "ddp", 1, 1}, 0, 1, [] {});
    }));
    times["load"].push_back(seconds([&] {
      checkpoint::load(folder + "/step-1", state, {"kgat", "ddp", 1, 1});
    }));
    remove_tree(folder + "/step-1");
    ::sync();
  }
  remove_tree(folder);
  std::printf("{\"bytes\": %lld", static_cast<long long>(bytes));
  for (const auto& [name, values] : times) {
    std::printf(", \"%s_s\": [", name.c_str());
    for (std::size_t i = 0; i < values.size(); ++i) {
      std::printf("%s%.4f", i == 0 ? "" : ", ", values[i]);
    }
    std::printf("]");
  }
  std::puts("}");
}
