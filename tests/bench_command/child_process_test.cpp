#include "host/bench/child_process.h"

#include <signal.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "host/bench/out_folder.h"
#include "written_folder.h"

using namespace trainhost::bench;
using trainhost::launch::Signals;

namespace {

struct Place {
  trainhost::testing::WrittenFolder folder;
  Signals signals;
  ChildCommand shell(const std::string& text) const {
    return {.words = {"bash", "-c", text}, .out_file = file("out"), .err_file = file("err")};
  }
  std::string file(const std::string& name) const { return folder.path() + "/" + name; }
  std::string read(const std::string& name) const { return read_some(file(name), 1000); }
};

}  // namespace

TEST_CASE("a child's words, folder and end") {
  Place place;
  ChildCommand command = place.shell("pwd; echo oops >&2; exit 3");
  command.folder = place.folder.path();
  const ChildEnd end = run_child(command, place.signals);
  CHECK(end.exit_code == 3);
  CHECK(place.read("out") == place.folder.path() + "\n");
  CHECK(place.read("err") == "oops\n");
  CHECK(run_child(place.shell("kill -KILL $$"), place.signals).signal == SIGKILL);
}

TEST_CASE("a program that is not there") {
  Place place;
  ChildCommand command = place.shell("");
  command.words = {"trainhost-no-such-program"};
  CHECK(run_child(command, place.signals).missing);
}

TEST_CASE("an interrupt is passed on, and the child may end in order") {
  Place place;
  ChildCommand command = place.shell(
      "trap 'echo kept; exit 130' INT; kill -INT $PPID; for i in {1..100}; do sleep 0.05; done");
  const ChildEnd end = run_child(command, place.signals);
  CHECK(end.interrupted == SIGINT);
  CHECK(end.exit_code == 130);
  CHECK(place.read("out") == "kept\n");
}

TEST_CASE("a child that takes too long is asked to end") {
  Place place;
  ChildCommand command = place.shell("trap 'exit 9' TERM; for i in {1..200}; do sleep 0.05; done");
  command.timeout = 0.2;
  const ChildEnd end = run_child(command, place.signals);
  CHECK(end.timed_out);
  CHECK(end.exit_code == 9);
}
