// bench_collectives [RANKS]: all_reduce, reduce_scatter and all_gather of float32 through the SDK's
// interface, with tensors in the communicator's own memory and with plain ones. One JSON line.
//
// The ranks are processes, each an exec of this program, that find each other through a store of
// files in a temporary folder.
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include "../../devices/cpu/file_store.h"
#include "cpu/device.h"
#include "measure.h"

namespace {

using trainhost::Communicator;
using trainhost::ReduceOp;
using trainhost::Traffic;

bench::Library library(Communicator& group, bool registered) {
  const auto tensor = [&group, registered](std::size_t bytes) {
    if (!registered) return at::ones({static_cast<std::int64_t>(bytes) / 4}, at::kFloat);
    at::Tensor flat = group.allocate(static_cast<std::int64_t>(bytes)).view(at::kFloat);
    flat.fill_(1);
    return flat;
  };
  bench::Library out;
  out.calls = [&group, tensor](std::size_t bytes) {
    const auto part_elements = static_cast<std::int64_t>(bytes) / 4 / group.world();
    const at::Tensor whole = tensor(bytes);
    const at::Tensor part = tensor(static_cast<std::size_t>(part_elements) * 4);
    const std::vector<std::int64_t> counts(static_cast<std::size_t>(group.world()), part_elements);
    return std::map<std::string, std::function<void()>>{
        {"all_reduce",
         [&group, whole] { wait(group.all_reduce(whole, ReduceOp::kSum, Traffic::kStrategy)); }},
        {"reduce_scatter",
         [&group, whole, part, counts] {
           wait(group.reduce_scatter(part, whole, counts, ReduceOp::kSum, Traffic::kStrategy));
         }},
        {"all_gather", [&group, whole, part, counts] {
           wait(group.all_gather(whole, part, counts, Traffic::kStrategy));
         }}};
  };
  out.barrier = [&group] { group.barrier(Traffic::kHost); };
  out.slowest = [&group](double value) {
    const at::Tensor all = at::ones({1}, at::kDouble).mul_(value);
    wait(group.all_reduce(all, ReduceOp::kMax, Traffic::kHost));
    return all.item<double>();
  };
  return out;
}

void run_rank(const std::string& folder, int rank, int world) {
  std::atomic<std::uint32_t> fine{0};
  FileStore store(folder, 60);
  const auto device = cpu::make_device();
  const auto session =
      device->open(0, {.threads = 1, .timeout_seconds = 60, .abort = trainhost::AbortSignal(fine)});
  const auto group = session->communicator(store, "bench", rank, world);
  const std::string shared = bench::measure(library(*group, true));
  const std::string plain = bench::measure(library(*group, false));
  if (rank != 0) return;
  std::cout << "{\"library\": \"trainhost\", \"ranks\": " << world
            << ", \"microseconds\": {\"shared\": " << shared << ", \"plain\": " << plain << "}}\n";
}

int run_all(const char* program, int world) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("bench_collectives." + std::to_string(::getpid()));
  std::filesystem::create_directory(folder);
  std::vector<pid_t> ranks;
  for (int rank = 0; rank < world; ++rank) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::execl(program, program, "--rank", folder.c_str(), std::to_string(rank).c_str(),
              std::to_string(world).c_str(), nullptr);
      ::_exit(127);
    }
    ranks.push_back(child);
  }
  int failed = 0;
  for (const pid_t rank : ranks) {
    int status = 0;
    ::waitpid(rank, &status, 0);
    if (status != 0) failed = 1;
  }
  std::filesystem::remove_all(folder);
  return failed;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv, argv + argc);
  if (words.size() == 5 && words[1] == "--rank") {
    run_rank(words[2], std::stoi(words[3]), std::stoi(words[4]));
    return 0;
  }
  return run_all("/proc/self/exe", words.size() > 1 ? std::stoi(words[1]) : 2);
}
