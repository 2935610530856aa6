#include "host/telemetry/event.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <random>
#include <string>
#include <thread>

#include "host/telemetry/event_writer.h"

using namespace trainhost;
using namespace trainhost::telemetry;

namespace {

// What comes out at the other end, as text again.
std::string there_and_back(const Event& event) { return to_line(from_line(to_line(event))); }

struct Pipe {
  std::array<int, 2> ends{};
  Pipe() { REQUIRE(pipe2(ends.data(), O_CLOEXEC) == 0); }
  ~Pipe() { close(ends[0]); }

  std::string read_all() {
    std::string out;
    std::array<char, 65536> chunk;
    for (ssize_t got; (got = read(ends[0], chunk.data(), chunk.size())) > 0;) {
      out.append(chunk.data(), static_cast<std::size_t>(got));
    }
    return out;
  }
};

}  // namespace

TEST_CASE("every event survives the way to the parent") {
  const std::vector<Event> events = {
      Log{Host::Level::kWarning, 3, "line\nwith \"quotes\" and ümläuts"},
      Progress{"reading", 3, -1},
      StandIn{"synthetic"},
      Phase{"train", false, 1.5},
      Ready{10, 40, 2, 7, 1, {{"cf", 4, 32}, {"kg", 8, 64}}, {{"graph", "big"}}},
      Ready{.objectives = {}, .facts = {}, .device = "cuda"},
      Step{"cf", 1, 2, 3, 4, 0.5, 1e-3, kNone, 100, 2, 1, 3, false, 0.9},
      Step{"cf", 1, 2, 3, 4, 0.5, 1e-3, kNone, 100, 2, 1, 3, true, 0.9, 412.5, 61},
      Evaluation{
          1, 2, "test", {{"recall@20", 0.1, kNone}}, "recall@20", 0.1, true, 1, "popularity"},
      Evaluation{1, 2, "", {{"r", 1, kNone}}, "r", 1, true, 1, "", {{"a.csv", "x", "1"}}, true},
      Checkpoint{"/runs/a/checkpoints/step-1", 1, 2, 0.1},
      Summary{1, 2.5, true, "{\"a\": 1}"},
      Failed{1, Failure::kDevice, "a", "b", "c", "d", "e", "f"},
      Dropped{5},
  };
  for (const Event& event : events) {
    INFO(to_line(event));
    CHECK(there_and_back(event) == to_line(event));
    CHECK(to_line(event).find('\n') == std::string::npos);
    CHECK(from_line(to_line(event)).index() == event.index());
  }
}

TEST_CASE("what is no number on the wire is NaN at its end") {
  Step step;
  step.loss = std::numeric_limits<double>::infinity();
  const Event back = from_line(to_line(step));
  CHECK(std::isnan(std::get<Step>(back).loss));
  CHECK(std::isnan(std::get<Step>(back).grad_norm));
}

TEST_CASE("lines that are no events are refused") {
  const std::string deep = "{\"event\":" + std::string(100000, '[');
  const std::vector<std::string> lines = {
      "",
      "text",
      "[1]",
      "null",
      "{}",
      "{\"event\":1}",
      "{\"event\":\"unknown\"}",
      "{\"event\":\"dropped\"}",
      "{\"event\":\"dropped\",\"count\":\"1\"}",
      "{\"event\":\"dropped\",\"count\":1.5}",
      "{\"event\":\"dropped\",\"count\":1,\"more\":2}",
      "{\"event\":\"dropped\",\"count\":1",
      "{\"event\":\"log\",\"level\":3,\"rank\":0,\"text\":\"\"}",
      "{\"event\":\"log\",\"level\":0,\"rank\":-2,\"text\":\"\"}",
      "{\"event\":\"log\",\"level\":0,\"rank\":0,\"text\":\"\xff\"}",
      deep,
      std::string(kMaxLine + 1, ' '),
  };
  for (const std::string& line : lines) {
    INFO(line.substr(0, 80));
    CHECK_THROWS_AS(from_line(line), Error);
  }
}

TEST_CASE("damaged lines are refused or read, never more") {
  std::mt19937 random(42);
  const std::string good = to_line(Failed{1, Failure::kDevice, "a", "b", "c", "d", "e", "f"});
  const std::string marks = "{}[]\":,0-9eE.truefalsn\\\xff";
  int read = 0;
  for (int i = 0; i < 5000; ++i) {
    std::string line = good;
    for (int change = 0; change < 3; ++change) {
      line[random() % line.size()] = marks[random() % marks.size()];
    }
    try {
      from_line(line);
      ++read;
    } catch (const Error& error) {
      CHECK(error.text().where == "event");
    }
  }
  CHECK(read < 5000);
}

TEST_CASE("a text that is not UTF-8 is sent all the same") {
  const Event back = from_line(to_line(Log{Host::Level::kInfo, 0,
                                           "a\xff"
                                           "b"}));
  CHECK(std::get<Log>(back).text.substr(0, 1) == "a");
}

TEST_CASE("an error travels in its parts") {
  const Error error(Failure::kUser, {"train.txt:3", "bad", "a number", "x", "mend it"});
  const Failed sent = failed(2, error, "reading");
  CHECK(sent.rank == 2);
  CHECK(sent.failure == Failure::kUser);
  CHECK(sent.where == "train.txt:3");
  CHECK(sent.fix == "mend it");
  CHECK(sent.doing == "reading");
}

TEST_CASE("a full pipe drops steps, counts them, and keeps the rest") {
  Pipe pipe;
  std::string got;
  std::thread reader;
  {
    EventWriter writer(pipe.ends[1]);
    for (int i = 0; i < 5000; ++i) writer.send(Step{.objective = "cf"});
    reader = std::thread([&] { got = pipe.read_all(); });
    writer.send(StandIn{std::string(200000, 'x')});  // more than a pipe holds
    writer.send(StandIn{"end"});
  }
  reader.join();
  CHECK(got.find("\"stand_in\"") != std::string::npos);
  const std::size_t dropped = got.find("{\"event\":\"dropped\"");
  REQUIRE(dropped != std::string::npos);
  const Event count = from_line(got.substr(dropped, got.find('\n', dropped) - dropped));
  CHECK(std::get<Dropped>(count).count > 0);
  CHECK(std::get<Dropped>(count).count < 5000);
  CHECK(got.size() > 200000);
}

TEST_CASE("threads that send at once do not mix their lines") {
  Pipe pipe;
  std::string got;
  std::thread reader([&] { got = pipe.read_all(); });
  {
    EventWriter writer(pipe.ends[1]);
    const auto talk = [&](int rank) {
      for (int i = 0; i < 300; ++i) {
        writer.log(Host::Level::kInfo, rank, std::string(static_cast<std::size_t>(i * 20), 'y'));
      }
    };
    std::thread other([&] { talk(1); });
    talk(0);
    other.join();
  }
  reader.join();
  std::array<int, 2> lines{};
  while (!got.empty()) {
    const std::size_t end = got.find('\n');
    REQUIRE(end != std::string::npos);
    ++lines[static_cast<std::size_t>(std::get<Log>(from_line(got.substr(0, end))).rank)];
    got.erase(0, end + 1);
  }
  CHECK(lines[0] == 300);
  CHECK(lines[1] == 300);
}

TEST_CASE("a writer needs an open pipe") { CHECK_THROWS_AS(EventWriter(-1), Error); }
