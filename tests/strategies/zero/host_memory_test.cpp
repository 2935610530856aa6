#include "zero/host_memory.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "trainhost/error.h"

using Catch::Matchers::Contains;
using trainhost::Error;
using trainhost::Failure;
using zero::HostMemory;

namespace {

namespace fs = std::filesystem;

/// A folder that goes away with its owner.
struct Folder {
  std::string path = (fs::temp_directory_path() / "trainhost-host-memory-XXXXXX").string();
  Folder() { REQUIRE(::mkdtemp(path.data()) != nullptr); }
  ~Folder() { fs::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
};

bool is_mapped_file(const at::Tensor& tensor, const std::string& folder) {
  FILE* const maps = std::fopen("/proc/self/maps", "r");
  char line[4096];
  bool found = false;
  while (std::fgets(line, sizeof(line), maps) != nullptr) {
    unsigned long begin = 0, end = 0;
    char shared = ' ';
    std::sscanf(line, "%lx-%lx rw-%c", &begin, &end, &shared);
    const auto at = reinterpret_cast<std::uintptr_t>(tensor.const_data_ptr());
    if (at < begin || at >= end) continue;
    found = shared == 's' && std::string(line).find(folder) != std::string::npos;
  }
  std::fclose(maps);
  return found;
}

}  // namespace

TEST_CASE("on a CPU, host memory is a shared mapping of a file that no folder lists") {
  const Folder folder;
  HostMemory memory(at::kCPU, folder.path);
  const std::int64_t count = GENERATE(3, 1000, 3 << 20);
  const at::Tensor tensor = memory.allocate(count, at::kFloat);
  CHECK(tensor.numel() == count);
  CHECK(tensor.scalar_type() == at::kFloat);
  CHECK(reinterpret_cast<std::uintptr_t>(tensor.const_data_ptr()) % 64 == 0);
  CHECK(is_mapped_file(tensor, folder.path));
  CHECK(fs::is_empty(folder.path));
}

TEST_CASE("tensors do not overlap, and outlive the memory they came from") {
  const Folder folder;
  std::vector<at::Tensor> tensors;
  {
    HostMemory memory(at::kCPU, folder.path);
    for (int i = 0; i < 200; ++i) {
      tensors.push_back(memory.allocate(10000 + i, i % 2 == 0 ? at::kFloat : at::kBFloat16));
      tensors.back().fill_(i);
      memory.will_need(tensors.back());
    }
  }
  for (int i = 0; i < 200; ++i) {
    CHECK(tensors[i].min().item<float>() == static_cast<float>(i));
    CHECK(tensors[i].max().item<float>() == static_cast<float>(i));
  }
}

TEST_CASE("nothing can be had without bytes") {
  const Folder folder;
  HostMemory memory(at::kCPU, folder.path);
  const at::Tensor none = memory.allocate(0, at::kFloat);
  CHECK(none.numel() == 0);
  memory.will_need(none);
}

TEST_CASE("a folder that does not serve is named, with what to do") {
  HostMemory memory(at::kCPU, "/nonexistent/folder");
  try {
    memory.allocate(1, at::kFloat);
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.failure() == Failure::kUser);
    CHECK_THAT(error.what(), Contains("/nonexistent/folder") && Contains("No such file") &&
                                 Contains("strategy.offload_directory"));
  }
}

TEST_CASE("a disk that is too small is an error with the folder, the bytes and what to do") {
  const Folder folder;
  HostMemory memory(at::kCPU, folder.path);
  try {
    memory.allocate(std::int64_t{1} << 48, at::kFloat);
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.failure() == Failure::kDevice);
    CHECK_THAT(error.what(), Contains(folder.path) && Contains("No space left") &&
                                 Contains("1073741824 MiB more") && Contains("make room"));
  }
}

TEST_CASE("without a folder it is TMPDIR") {
  const Folder folder;
  const char* before = std::getenv("TMPDIR");
  const std::optional<std::string> kept =
      before == nullptr ? std::nullopt : std::optional<std::string>(before);
  ::setenv("TMPDIR", folder.path.c_str(), 1);
  HostMemory memory(at::kCPU, "");
  kept ? ::setenv("TMPDIR", kept->c_str(), 1) : ::unsetenv("TMPDIR");
  CHECK(is_mapped_file(memory.allocate(10, at::kFloat), folder.path));
}
