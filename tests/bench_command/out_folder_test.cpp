#include "host/bench/out_folder.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "trainhost/error.h"
#include "written_folder.h"

using namespace trainhost;
using namespace trainhost::bench;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

TEST_CASE("a script's files stay in the out folder") {
  trainhost::testing::WrittenFolder place;
  const OutFolder out(place.path() + "/out");
  CHECK(out.write("a/b.txt", "text") == out.path() + "/a/b.txt");
  CHECK(read_some(out.path() + "/a/b.txt", 100) == "text");
  CHECK(read_some(out.path() + "/a/b.txt", 2) == "te");
  CHECK(read_some(out.path() + "/none", 2).empty());
  for (const char* name : {"", "/tmp/x", "../x", "a/../../x", "a/..", "a/", "results.json",
                           "./results.csv", "runs/x", "bad\nname"}) {
    INFO(name);
    CHECK_THROWS_WITH(out.write(name, "x"), Contains("cannot write"));
  }
  CHECK_THROWS_WITH(out.write(std::string(300, 'x'), "x"), Contains("no file name"));
  CHECK_THROWS_WITH(out.write("big", std::string((16 << 20) + 1, 'x')), Contains("16 MiB"));
  CHECK_FALSE(fs::exists(place.path() + "/x"));
}

TEST_CASE("a link does not lead out") {
  trainhost::testing::WrittenFolder place;
  const OutFolder out(place.path() + "/out");
  fs::create_directory(place.path() + "/out-other");
  fs::create_directory_symlink(place.path() + "/out-other", out.path() + "/link");
  fs::create_symlink(place.path() + "/target", out.path() + "/file");
  CHECK_THROWS_WITH(out.write("link/x", "x"), Contains("leads out"));
  // A link in the file's own place is replaced, not followed.
  out.write("file", "x");
  CHECK_FALSE(fs::exists(place.path() + "/target"));
}

TEST_CASE("one benchmark at a time writes into a folder") {
  trainhost::testing::WrittenFolder place;
  const OutFolder out(place.path());
  CHECK_THROWS_WITH(OutFolder(place.path()), Contains("another benchmark"));
  const std::string file = place.write("file", "");
  CHECK_THROWS_WITH(OutFolder(file), Contains("cannot make the folder"));
}
