#include "host/telemetry/extra_file.h"

#include <catch2/catch.hpp>
#include <optional>
#include <utility>

#include "file_limit.h"
#include "scratch.h"

using namespace trainhost::telemetry;
using namespace trainhost_test;
using Catch::Contains;

TEST_CASE("entries reach the file when they are flushed, and at the end") {
  const Scratch scratch;
  {
    ExtraFile file(scratch / "f");
    file.add("one\n");
    CHECK(read(scratch / "f").empty());
    file.flush();
    CHECK(read(scratch / "f") == "one\n");
    file.add("two\n");
  }
  CHECK(read(scratch / "f") == "one\ntwo\n");
  ExtraFile again(scratch / "f");
  again.add(std::string(1 << 17, 'x'));  // more than waits in memory
  CHECK(read(scratch / "f").size() == 8 + (1 << 17));
  CHECK(again.take_warning().empty());
}

TEST_CASE("a full disk ends the file with one warning, and leaves whole entries") {
  const Scratch scratch;
  ExtraFile file(scratch / "f");
  file.add("0123456789");
  file.flush();
  std::optional<FileLimit> full(15);
  file.add("0123456789");
  file.flush();
  CHECK_FALSE(file.works());
  CHECK_THAT(file.take_warning(), Contains(scratch / "f") && Contains("File too large") &&
                                      Contains("training goes on without it"));
  full.reset();
  file.add("more");
  file.flush();
  CHECK(file.take_warning().empty());
  CHECK(read(scratch / "f") == "0123456789");
}

TEST_CASE("a file that takes nothing is no error") {
  ExtraFile full("/dev/full");
  full.add("x");
  CHECK(full.take_warning().empty());
  full.flush();
  CHECK_THAT(full.take_warning(), Contains("No space left") && !Contains("not whole"));
  ExtraFile nowhere("/nonexistent/f");
  CHECK_FALSE(nowhere.works());
  CHECK_THAT(nowhere.take_warning(), Contains("No such file"));
}

TEST_CASE("a moved file goes on") {
  const Scratch scratch;
  ExtraFile first(scratch / "f");
  first.add("a");
  ExtraFile second(std::move(first));
  second.add("b");
  ExtraFile third(scratch / "g");
  third = std::move(second);
  third.add("c");
  third.flush();
  CHECK(read(scratch / "f") == "abc");
}
