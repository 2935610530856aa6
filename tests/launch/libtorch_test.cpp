#include "host/launch/libtorch.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "libtorch_found.h"
#include "trainhost/error.h"

namespace fs = std::filesystem;
using namespace trainhost;

namespace {

// A folder that is gone after the test.
struct Scratch {
  fs::path path = fs::temp_directory_path() / ("trainhost-libtorch-" + std::to_string(getpid()));
  Scratch() { fs::create_directories(path); }
  ~Scratch() { fs::remove_all(path); }

  fs::path write(const std::string& name, const std::string& text) const {
    fs::create_directories((path / name).parent_path());
    std::ofstream(path / name) << text;
    return path / name;
  }
  // Something that looks like a LibTorch of this version.
  std::string torch(const std::string& name, const std::string& version) const {
    write(name + "/lib/libtorch_cpu.so", "");
    write(name + "/version.py", "from typing import Optional\n__version__ = '" + version + "'\n");
    return (path / name).string();
  }
};

constexpr const char* kRight = TRAINHOST_FOUND_LIBTORCH;

}  // namespace

TEST_CASE("TRAINHOST_LIBTORCH comes first, and its word is final") {
  const Scratch scratch;
  const std::string good = scratch.torch("torch", std::string(kRight) + "+cpu");
  scratch.write("nvidia/b/lib/x.so", "");
  scratch.write("nvidia/a/lib/x.so", "");
  const auto found = launch::find_libtorch({{"TRAINHOST_LIBTORCH", good}}, {});
  CHECK(found.folder == good);
  CHECK(found.version == kRight);
  CHECK(found.found_by == "TRAINHOST_LIBTORCH");
  CHECK(found.library_path == std::vector<std::string>{good + "/lib",
                                                       (scratch.path / "nvidia/a/lib").string(),
                                                       (scratch.path / "nvidia/b/lib").string()});

  const std::string old = scratch.torch("old", "2.5.1");
  const std::string record = scratch.write("libtorch.path", good + "\n").string();
  CHECK_THROWS_WITH(launch::find_libtorch({{"TRAINHOST_LIBTORCH", old}}, {record}),
                    Catch::Contains("its version is 2.5.1") && Catch::Contains("fix:"));
  CHECK_THROWS_WITH(launch::find_libtorch({{"TRAINHOST_LIBTORCH", "/nowhere"}}, {record}),
                    Catch::Contains("no such folder"));
}

TEST_CASE("a record names the folder, absolute or beside it") {
  const Scratch scratch;
  const std::string good = scratch.torch("deps/torch", kRight);
  const std::string absolute = scratch.write("share/a.path", good + "\n").string();
  const std::string relative = scratch.write("share/b.path", "../deps/torch\n").string();
  CHECK(launch::find_libtorch({}, {absolute}).folder == good);
  CHECK(launch::find_libtorch({}, {relative}).folder == good);
  CHECK(launch::find_libtorch({}, {"/nowhere/c.path", relative}).folder == good);
}

TEST_CASE("without any LibTorch the message says what was tried") {
  const Scratch scratch;
  const std::string stale = scratch.write("a.path", "/gone/torch\n").string();
  // No python3 on this path, so none that might have a torch.
  const std::string path = std::getenv("PATH");
  setenv("PATH", scratch.path.c_str(), 1);
  try {
    launch::find_libtorch({}, {stale});
    FAIL("nothing was thrown");
  } catch (const Error& error) {
    CHECK(error.failure() == Failure::kDevice);
    CHECK_THAT(error.what(), Catch::Contains("/gone/torch") && Catch::Contains("python3") &&
                                 Catch::Contains("TRAINHOST_LIBTORCH=DIR"));
  }
  setenv("PATH", path.c_str(), 1);
}
