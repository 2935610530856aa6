// check-plugin: which checks run, what they say, and what a user and a script see of it. The checks
// that start ranks are tried in conformance_test.cpp.
#include "host/conformance/suite.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "fixture_files.h"
#include "host/conformance/command.h"
#include "host/plugins/check_loaded.h"
#include "trainhost/error.h"

namespace trainhost::conformance {
namespace {

using Catch::Contains;
using nlohmann::json;
using plugins::check_loaded;
using plugins::outcome_name;
using plugins::test::fixture;
using plugins::test::read_bytes;
using plugins::test::TemporaryFolder;
using plugins::test::with_note_text;

/// Of a file and of what loads it.
const std::vector<std::string> kFileChecks{"readable", "elf",    "note",    "schema", "fingerprint",
                                           "symbols",  "needed", "runpath", "scan"};

std::vector<std::string> operator+(std::vector<std::string> left,
                                   const std::vector<std::string>& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

/// The results of the checks that did not pass: name → "outcome: detail".
std::map<std::string, std::string> complaints(const std::string& file,
                                              const Settings& settings = {}) {
  std::map<std::string, std::string> out;
  Settings quick = settings;
  if (quick.only.empty()) quick.only = kFileChecks;
  for (const CheckResult& result : check_plugin(file, quick)) {
    if (result.outcome == Outcome::kPass) continue;
    out[result.name] = std::string(outcome_name(result.outcome)) + ": " + result.detail;
  }
  return out;
}

/// With the checks that load a plugin, or ask a probe.
Settings loading(const std::string& more = {}) {
  Settings out;
  out.only = kFileChecks + (more.empty() ? std::vector<std::string>{"load", "descriptor"}
                                         : std::vector<std::string>{more});
  return out;
}

TEST_CASE("a well-built plugin conforms; what needs LibTorch is skipped without it") {
  const auto found = complaints(fixture("zero9"), loading());
  CHECK(found.size() == 2);
  CHECK_THAT(found.at("load"), Contains("skip: trainhost-rank is not installed"));
  CHECK_THAT(found.at("descriptor"), Contains("skip: needs 'load'"));
}

TEST_CASE("a probe conforms, and one that crashes is a result") {
  auto found = complaints(fixture("npu_probe"), loading("probe"));
  CHECK(found.count("probe") == 0);
  found = complaints(fixture("crash_probe"), loading("probe"));
  CHECK_THAT(found.at("probe"), Contains("crash: ended by signal: Aborted"));
}

TEST_CASE("each fault is found by the check that is for it") {
  CHECK_THAT(complaints(fixture("empty_handed")).at("schema"),
             Contains("fail:") && Contains("size"));
  auto found = complaints(fixture("careless"));
  CHECK_THAT(found.at("symbols"), Contains("careless_global"));
  CHECK_THAT(found.at("runpath"), Contains("folder of the machine that built it"));
  CHECK_THAT(complaints(fixture("mute")).at("symbols"), Contains("nothing"));
  CHECK_THAT(complaints(fixture("twins")).at("note"), Contains("more than one note"));
}

TEST_CASE("what cannot be read fails once, and the rest is skipped for it") {
  const TemporaryFolder folder;
  auto found = complaints(folder.write("empty.so", ""), loading());
  CHECK_THAT(found.at("elf"), Contains("fail: the file is empty"));
  CHECK_THAT(found.at("note"), Contains("skip: needs 'elf'"));
  CHECK_THAT(found.at("load"), Contains("skip"));
  found = complaints(folder.path("not_there.so"));
  CHECK_THAT(found.at("readable"), Contains("fail: no such file"));
  auto bytes = read_bytes(fixture("zero9"));
  bytes = with_note_text(bytes, "\"abi\":\"", "\"abi\":\"0");
  found = complaints(folder.write("other.so", bytes), loading());
  CHECK_THAT(found.at("fingerprint"), Contains("fail: sdk abi") && Contains("fix: rebuild"));
  CHECK_THAT(found.at("load"), Contains("skip: needs 'fingerprint'"));
}

TEST_CASE("the checks that load a plugin run in the rank program") {
  const TemporaryFolder folder;
  const auto rank = [&](const std::string& name, const std::string& script) {
    const std::string file = folder.write(name, "#!/bin/sh\n" + script + "\n");
    std::filesystem::permissions(file, std::filesystem::perms(0755));
    Settings settings = loading();
    settings.rank_program = file;
    settings.timeout_seconds = 5;
    return settings;
  };
  const std::string pass = R"(echo '{"detail":"","outcome":"pass"}')";
  auto found = complaints(fixture("zero9"), rank("good", "echo noise of the plugin; " + pass));
  CHECK(found.empty());
  const std::string expected = R"(test "$1 $3" = "--check-plugin load" || exit 9; )";
  found = complaints(fixture("zero9"), rank("picky", expected + pass));
  CHECK(found.count("load") == 0);
  CHECK_THAT(found.at("descriptor"), Contains("crash: ended with exit code 9"));
  found = complaints(fixture("zero9"), rank("killed", "kill -SEGV $$"));
  CHECK_THAT(found.at("load"), Contains("crash: ended by signal: Segmentation fault"));
  found = complaints(fixture("zero9"),
                     rank("bad", R"(echo '{"detail":"it needs x","outcome":"fail"}')"));
  CHECK(found.at("load") == "fail: it needs x");
  Settings slow = rank("slow", "sleep 60");
  slow.timeout_seconds = 0.2;
  slow.only = {"load"};
  CHECK_THAT(complaints(fixture("zero9"), slow).at("load"), Contains("did not end in time"));
  Settings absent = slow;
  absent.rank_program = folder.path("absent");
  CHECK_THAT(complaints(fixture("zero9"), absent).at("load"), Contains("cannot be started"));
}

TEST_CASE("check_loaded tells the truth of what it loads") {
  const auto outcome = [](const char* name, const char* check) {
    return json::parse(check_loaded(fixture(name), check));
  };
  CHECK(outcome("zero9", "load")["outcome"] == "pass");
  CHECK(outcome("zero9", "descriptor")["outcome"] == "pass");
  CHECK(outcome("lacking", "load")["outcome"] == "fail");
  CHECK(outcome("liar", "load")["outcome"] == "pass");
  CHECK(outcome("liar", "descriptor")["outcome"] == "fail");
  CHECK(outcome("zero9", "nonsense")["outcome"] == "fail");
}

TEST_CASE("a check can be run alone, and a name that is none is refused") {
  Settings settings;
  settings.only = {"note"};
  const auto results = check_plugin(fixture("zero9"), settings);
  REQUIRE(results.size() == 1);
  CHECK(results.front().detail == "a strategy: 'org.acme.zero9' 0.3.1");
  settings.only = {"notes"};
  CHECK_THROWS_WITH(check_plugin(fixture("zero9"), settings), Contains("readable, elf, note"));
}

TEST_CASE("a group of checks is named by what stands before the dot") {
  Settings settings;
  settings.rank_program = "/bin/false";
  settings.only = {"checkpoint"};
  const auto results = check_plugin(fixture("zero9"), settings);
  CHECK(results.size() == 3);
  for (const CheckResult& result : results) CHECK(result.name.starts_with("checkpoint."));
  settings.only = {"check"};
  CHECK_THROWS_WITH(check_plugin(fixture("zero9"), settings), Contains("no such check"));
}

TEST_CASE("check-plugin's exit code, JSON, list and progress") {
  std::ostringstream out, err;
  Request request{.file = fixture("zero9"), .json = true, .list = false, .settings = {}};
  request.settings.only = kFileChecks;
  request.settings.seed = 7;
  CHECK(run_check_plugin(request, out, err) == 0);
  const json report = json::parse(out.str());
  CHECK(report["conforms"] == true);
  CHECK(report["seed"] == 7);
  REQUIRE(report["checks"].size() == kFileChecks.size());
  CHECK(report["checks"][0]["outcome"] == "pass");
  CHECK(report["checks"][0]["repeat"] ==
        "trainhost check-plugin " + fixture("zero9") + " --only readable --seed 7");
  CHECK_THAT(err.str(), Contains("[1/9] readable  pass"));

  std::ostringstream text;
  request.file = fixture("mute");
  request.json = false;
  CHECK(run_check_plugin(request, text, err) == 3);
  CHECK_THAT(text.str(), Contains("does not conform") && Contains("fail  symbols") &&
                             Contains("again: trainhost check-plugin") &&
                             Contains("--only symbols --seed 7"));

  std::ostringstream list;
  request.file = fixture("zero9");
  request.list = true;
  CHECK(run_check_plugin(request, list, err) == 0);
  CHECK_THAT(list.str(), Contains("equivalence.clip") && Contains("quick") && !Contains("model."));
}

TEST_CASE("what a strategy's checks build on depends on what its note promises") {
  const Settings settings;
  Subject subject = subject_of(fixture("zero9"), settings);
  const auto base = [&] {
    const auto checks = checks_for(subject);
    const auto found = std::ranges::find(checks, "claims.traffic", &Check::name);
    return found->needs.front();
  };
  REQUIRE(subject.info().exact);
  CHECK(base() == "equivalence.ranks");
  subject.note->info.exact = false;
  CHECK(base() == "collectives.order");
}

}  // namespace
}  // namespace trainhost::conformance
