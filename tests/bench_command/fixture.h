// A stand-in for trainhost that writes what a run leaves behind, and a bench around it.
#pragma once

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "host/bench/script.h"
#include "written_folder.h"

namespace trainhost::bench::testing {

/// Trains nothing: `strategy=NAME` decides. Every call adds a line to calls.txt.
inline constexpr const char* kFakeTrainhost = R"(#!/bin/bash
here=$(dirname "$0")
echo "$*" >> "$here/calls.txt"
if [[ $1 == prove || $1 == describe ]]; then
  [[ $* == *strategy=broken* ]] && { echo "trainhost: error: $1: no such thing" >&2; exit 2; }
  echo '{"equal": true, "worlds": []}'
  exit
fi
while (($# > 0)); do
  [[ $1 == strategy=* ]] && strategy=${1#*=}
  [[ $1 == --run-dir ]] && directory=$2
  shift
done
case $strategy in
  refused) echo "trainhost: error: recipe.lua:3: unknown strategy 'refused'" >&2; exit 2 ;;
  crashes) kill -SEGV $$ ;;
  slow) trap 'exit 130' INT TERM; echo started > "$here/started"; for ((i = 0; i < 200; ++i)); do sleep 0.05; done ;;
  deaf) trap '' TERM; for ((i = 0; i < 100; ++i)); do sleep 0.1; done ;;
esac
mkdir -p "$directory/checkpoints/step-1" "$directory/best"
echo '{"epoch":1,"step":2,"evaluation":{"recall@20":0.5},"watched":"recall@20"}' > "$directory/metrics.jsonl"
if [[ $strategy == fails ]]; then
  echo '{"outcome":"failed","exit_code":4,"error":"training: out of memory\n  fix: less"}' > "$directory/summary.json"
  exit 4
fi
count=$(wc -l < "$here/calls.txt")
cat > "$directory/summary.json" <<END
{"outcome":"done","exit_code":0,"error":null,"strategy":"$strategy","ranks":2,"device":"cpu","steps":10,
 "final":{"recall@20":0.5},"best":{"recall@20":0.5},"seconds":{"train":1.5,"total":2},"peak_memory_mb":[100,120],
 "all_steps":{"steps":10,"rows":100,"seconds":1,"samples_per_s":$((count * 100)),"step_ms":{"median":$count,"p95":20},"sent_bytes_per_step":400},
 "objectives":{"cf":{"steps":4,"samples_per_s":50},"kg":{"steps":6,"samples_per_s":70}},
 "claims":{"sum":1000,"host":0,"traffic":{"cf":100,"kg":600}}}
END
)";

class Bench {
 public:
  Bench() {
    folder_.write("trainhost", kFakeTrainhost);
    ::chmod((folder_.path() + "/trainhost").c_str(), 0755);
    folder_.write("recipe.lua", "return {}\n");
  }

  std::string path(const std::string& name) const { return folder_.path() + "/" + name; }
  std::string out(const std::string& name) const { return path("out/" + name); }
  std::string read(const std::string& name) const { return read_some(path(name), 1 << 20); }
  std::string write(const std::string& name, const std::string& text) {
    return folder_.write(name, text);
  }

  /// What the script printed. Messages are kept in `said`; what was run in `calls`.
  std::string run(const std::string& source, const std::vector<std::string>& options = {},
                  bool fresh = false) {
    std::filesystem::remove(path("calls.txt"));
    OutFolder out(path("out"));
    launch::Signals signals;
    Runner runner({out, signals, path("trainhost"), "program 1", {}, fresh});
    std::string printed;
    said.clear();
    Progress progress(
        {.out = [](std::string_view) {}, .err = [this](std::string_view text) { said += text; }},
        24);
    Report report({{path("out/results.json")}, {path("out/results.csv")}}, Json::object());
    ScriptOptions given(options);
    Script script({runner,
                   progress,
                   report,
                   given,
                   {{"cores", 2}},
                   [this](const std::string& name) { return path(name); },
                   [&](std::string_view text) { printed += text; }});
    try {
      script.run(source, "s.lua");
    } catch (...) {
      interrupted = runner.interrupted();
      failed = report.failed();
      reused = report.reused();
      throw;
    }
    interrupted = 0;
    failed = report.failed();
    reused = report.reused();
    return printed;
  }
  /// The message with which a script fails.
  std::string failure_of(const std::string& source, const std::vector<std::string>& options = {}) {
    try {
      run(source, options);
    } catch (const Error& error) {
      return error.what();
    }
    FAIL("the script ran: " << source);
    return {};
  }
  /// Values of `strategy=` in the order of the runs: "A B B A".
  std::string calls() const {
    std::string out;
    std::istringstream lines(read("calls.txt"));
    for (std::string line; std::getline(lines, line);) {
      const std::size_t at = line.find("strategy=");
      if (at == std::string::npos) continue;
      out += (out.empty() ? "" : " ") + line.substr(at + 9, line.find(' ', at) - at - 9);
    }
    return out;
  }

  std::string said;
  int interrupted = 0;
  std::size_t failed = 0, reused = 0;

 private:
  trainhost::testing::WrittenFolder folder_;
};

}  // namespace trainhost::bench::testing
