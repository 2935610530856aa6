#include "host/launch/line_reader.h"

#include <fcntl.h>

#include <array>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

using trainhost::launch::Descriptor;
using trainhost::launch::LineReader;

namespace {

struct Lines {
  Descriptor writer;
  LineReader reader;
  std::vector<std::string> seen;  // a cut line ends in "…"

  explicit Lines(std::size_t max_line) : Lines(make_pipe(), max_line) {}

  void write(const std::string& text) const {
    REQUIRE(::write(writer.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }
  LineReader::Receiver receiver() {
    return [this](std::string_view line, bool cut) {
      seen.push_back(std::string(line) + (cut ? "…" : ""));
    };
  }

 private:
  static std::array<int, 2> make_pipe() {
    std::array<int, 2> ends{};
    REQUIRE(pipe2(ends.data(), O_CLOEXEC) == 0);
    return ends;
  }
  Lines(std::array<int, 2> ends, std::size_t max_line)
      : writer(ends[1]), reader(Descriptor(ends[0]), max_line) {}
};

}  // namespace

TEST_CASE("lines come whole, however they were written") {
  Lines lines(100);
  lines.write("one\ntw");
  CHECK_FALSE(lines.reader.read_some(lines.receiver()));
  lines.write("o\n\nthree");
  lines.reader.read_some(lines.receiver());
  CHECK(lines.seen == std::vector<std::string>{"one", "two", ""});
  lines.writer.reset();
  CHECK_FALSE(lines.reader.read_some(lines.receiver()));
  CHECK(lines.seen.back() == "three");
  CHECK_FALSE(lines.reader.open());
}

TEST_CASE("a long line is cut once, and the next one is whole") {
  Lines lines(4);
  lines.write("1234\n12345678901234567890");
  lines.reader.read_some(lines.receiver());
  lines.write("still the same\nnext\n");
  lines.reader.read_some(lines.receiver());
  CHECK(lines.seen == std::vector<std::string>{"1234", "1234…", "next"});
}

TEST_CASE("one look takes a bounded part, a drain takes the rest and closes") {
  Lines lines(100);
  std::string text;
  for (int i = 0; i < 6000; ++i) text += "line\n";
  lines.write(text);
  CHECK(lines.reader.read_some(lines.receiver(), 1));
  CHECK(lines.seen.size() < 6000);
  lines.write("end");
  lines.reader.drain(lines.receiver());  // the writer is open still
  CHECK(lines.seen.size() == 6001);
  CHECK(lines.seen.back() == "end");
  CHECK_FALSE(lines.reader.open());
}
