// cpu_rank SCENARIO FOLDER RANK WORLD: one rank of a test as a process of its own. What it has to
// say goes to FOLDER/out.RANK; FOLDER/abort holds the abort word.
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cpu/device.h"
#include "file_store.h"
#include "scenarios.h"
#include "trainhost/error.h"

namespace {

using trainhost::Communicator;
using trainhost::ReduceOp;
using trainhost::Traffic;

struct Rank {
  std::string folder;
  int rank, world;
  trainhost::AbortSignal abort;
  FileStore store{folder, 60};
  std::unique_ptr<trainhost::Device> device = cpu::make_device();
  std::unique_ptr<trainhost::DeviceSession> session{};

  std::unique_ptr<Communicator> group(const std::string& name, double timeout_seconds = 60) {
    session = device->open(0, {.threads = 1, .timeout_seconds = timeout_seconds, .abort = abort});
    return session->communicator(store, name, rank, world);
  }
};

template <class Body>
std::string error_of(const Body& body) {
  try {
    body();
  } catch (const trainhost::Error& error) {
    return error.what();
  }
  return "no error";
}

std::string operations(Rank& rank, const std::vector<std::int64_t>& sizes) {
  const auto group = rank.group("operations");
  scenarios::check_operations(*group, sizes);
  scenarios::check_asynchronous(*group);
  return "ok";
}

/// The last rank issues something else than the others.
std::string mismatch(Rank& rank) {
  const auto group = rank.group("mismatch");
  const at::Tensor data = at::zeros({1000}, at::kFloat);
  return error_of([&] {
    if (rank.rank + 1 == rank.world) {
      wait(group->broadcast(data, 0, Traffic::kStrategy));
    } else {
      wait(group->all_reduce(data, ReduceOp::kSum, Traffic::kStrategy));
    }
  });
}

/// The last rank does not come, nor does it leave before the others have given up.
std::string missing(Rank& rank) {
  const auto group = rank.group("missing", 3);
  if (rank.rank + 1 == rank.world) {
    for (int r = 0; r + 1 < rank.world; ++r) rank.store.get("gave_up" + std::to_string(r));
    return "stayed away";
  }
  const at::Tensor data = at::zeros({1000}, at::kFloat);
  const std::string error =
      error_of([&] { wait(group->all_reduce(data, ReduceOp::kSum, Traffic::kStrategy)); });
  rank.store.set("gave_up" + std::to_string(rank.rank), "1");
  return error;
}

/// Reduces until the test ends it: by the abort word, or by killing a rank.
std::string endless(Rank& rank) {
  const auto group = rank.group("endless", 60);
  group->barrier(Traffic::kHost);
  rank.store.set("running" + std::to_string(rank.rank), "1");
  return scenarios::reduce_until_it_fails(*group);
}

/// All wait for the last rank, which waits for nothing but the abort word.
std::string waiting(Rank& rank) {
  const auto group = rank.group("waiting", 60);
  rank.store.set("running" + std::to_string(rank.rank), "1");
  if (rank.rank + 1 == rank.world) {
    while (!rank.abort.raised()) ::usleep(1000);
    return "stayed away";
  }
  return error_of([&] { group->barrier(Traffic::kHost); });
}

std::ptrdiff_t entries(const char* folder) {
  const std::filesystem::directory_iterator list(folder);
  return std::distance(begin(list), end(list));
}

std::ptrdiff_t memory_files() {
  std::ifstream maps("/proc/self/maps");
  std::ptrdiff_t count = 0;
  for (std::string line; std::getline(maps, line);) count += line.find("memfd:") != line.npos;
  return count;
}

std::string leaks(Rank& rank) {
  std::ptrdiff_t descriptors = 0, mappings = 0, threads = 0;
  for (int round = 0; round < 101; ++round) {
    const auto group = rank.group("leaks" + std::to_string(round));
    at::Tensor buffer = group->allocate(300'000);
    wait(group->all_reduce(buffer, ReduceOp::kSum, Traffic::kHost));
    if (round == 0) {
      descriptors = entries("/proc/self/fd");
      mappings = memory_files();
      threads = entries("/proc/self/task");
    } else if (round == 100) {
      descriptors -= entries("/proc/self/fd");
      mappings -= memory_files();
      threads -= entries("/proc/self/task");
    }
  }
  const bool left = memory_files() > 0;
  if (descriptors == 0 && mappings == 0 && threads == 0 && !left) return "ok";
  return std::to_string(-descriptors) + " descriptors, " + std::to_string(-mappings) +
         " mappings, " + std::to_string(-threads) + " threads more; left: " + std::to_string(left);
}

/// A tensor of the group's memory outlives the group.
std::string outlive(Rank& rank) {
  at::Tensor view;
  {
    const auto group = rank.group("outlive");
    const at::Tensor buffer = group->allocate(1 << 20);
    view = buffer.narrow(0, 64, 4096).view(at::kFloat);
    view.fill_(static_cast<float>(rank.rank + 1));
    wait(group->all_reduce(buffer.view(at::kFloat), ReduceOp::kSum, Traffic::kHost));
  }
  const float wanted = static_cast<float>(rank.world * (rank.world + 1)) / 2;
  return view[0].item<float>() == wanted && view[1023].item<float>() == wanted ? "ok" : "wrong";
}

std::string other_machine(Rank& rank) {
  if (rank.rank == 0) {
    rank.store.set("group/segment", "1 5 4096 7 another-boot/pid:[1]");
    return "ok";
  }
  return error_of([&] { rank.group("group"); });
}

trainhost::AbortSignal abort_signal(const std::string& folder) {
  const int file = ::open((folder + "/abort").c_str(), O_RDWR | O_CLOEXEC);
  void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ::close(file);
  return trainhost::AbortSignal(*static_cast<std::atomic<std::uint32_t>*>(page));
}

}  // namespace

int main(int, char** argv) {
  const std::map<std::string, std::function<std::string(Rank&)>> scenarios = {
      {"operations", [](Rank& rank) { return operations(rank, scenarios::kUsualSizes); }},
      {"large", [](Rank& rank) { return operations(rank, {1 << 20}); }},
      {"mismatch", mismatch},
      {"missing", missing},
      {"endless", endless},
      {"waiting", waiting},
      {"leaks", leaks},
      {"outlive", outlive},
      {"other_machine", other_machine}};
  const std::string folder = argv[2];
  Rank rank{folder, std::stoi(argv[3]), std::stoi(argv[4]), abort_signal(folder)};
  std::string said;
  try {
    said = scenarios.at(argv[1])(rank);
  } catch (const std::exception& error) {
    said = std::string("threw: ") + error.what();
  }
  std::ofstream(folder + "/out." + argv[3]) << said;
}
