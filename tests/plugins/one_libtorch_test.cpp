// One LibTorch in the process, shown with libraries that have nothing of it but the names.
#include <dlfcn.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "fixture_files.h"
#include "host/plugins/load.h"
#include "trainhost/error.h"

namespace trainhost::plugins {
namespace {

using Catch::Contains;
using test::fixture;

TEST_CASE("a plugin that would bring a second LibTorch is refused before it is loaded") {
  // Nothing is loaded yet: any place will do.
  CHECK_NOTHROW(require_one_libtorch(fixture("uses_cuda")));
  REQUIRE(dlopen(fixture("one/libtorch_cpu").c_str(), RTLD_NOW | RTLD_LOCAL) != nullptr);

  // libtorch_cuda would come from "two", where libtorch_cpu came from "one".
  try {
    require_one_libtorch(fixture("uses_cuda"));
    FAIL("not refused");
  } catch (const Error& error) {
    CHECK(error.failure() == Failure::kPlugin);
    CHECK_THAT(error.text().what, Contains("second LibTorch"));
    CHECK_THAT(error.text().expected, Contains("one/libtorch_cpu.so"));
    CHECK_THAT(error.text().got, Contains("two/libtorch_cuda.so"));
  }
  // libtorch_cpu itself is there already, so the loader does not look at "two".
  CHECK_NOTHROW(require_one_libtorch(fixture("uses_cpu")));
  // Once the right libtorch_cuda is loaded the loader takes that one.
  REQUIRE(dlopen(fixture("one/libtorch_cuda").c_str(), RTLD_NOW | RTLD_LOCAL) != nullptr);
  CHECK_NOTHROW(require_one_libtorch(fixture("uses_cuda")));
}

TEST_CASE("a second folder that is the first by another name is one LibTorch") {
  namespace fs = std::filesystem;
  const test::TemporaryFolder folder;
  REQUIRE(dlopen(fixture("one/libtorch_cpu").c_str(), RTLD_NOW | RTLD_LOCAL) != nullptr);
  fs::create_directory_symlink(fs::path(fixture("one/x")).parent_path(), folder.path("two"));
  CHECK_NOTHROW(require_one_libtorch(folder.copy("uses_cuda")));
}

}  // namespace
}  // namespace trainhost::plugins
