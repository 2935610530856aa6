// check-plugin and the report of `plugins`, as a user and as a script see them.
#include "host/plugins/check.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "fixture_files.h"
#include "host/plugins/commands.h"
#include "host/plugins/report.h"
#include "trainhost/error.h"

namespace trainhost::plugins {
namespace {

using Catch::Contains;
using nlohmann::json;
using test::fixture;
using test::read_bytes;
using test::TemporaryFolder;
using test::with_note_text;

/// The results of the checks that did not pass: name → "outcome: detail".
std::map<std::string, std::string> complaints(const std::string& file,
                                              const CheckSettings& settings = {}) {
  std::map<std::string, std::string> out;
  for (const CheckResult& result : check_plugin(file, settings)) {
    if (result.outcome == Outcome::kPass) continue;
    out[result.name] = std::string(outcome_name(result.outcome)) + ": " + result.detail;
  }
  return out;
}

TEST_CASE("a well-built plugin conforms; what needs LibTorch is skipped without it") {
  const auto found = complaints(fixture("zero9"));
  CHECK(found.size() == 3);
  CHECK_THAT(found.at("load"), Contains("skip: trainhost-rank is not installed"));
  CHECK_THAT(found.at("descriptor"), Contains("skip: needs 'load'"));
  CHECK_THAT(found.at("probe"), Contains("skip: the file is no probe"));
}

TEST_CASE("a probe conforms, and one that crashes is a result") {
  auto found = complaints(fixture("npu_probe"));
  CHECK(found.count("probe") == 0);
  found = complaints(fixture("crash_probe"));
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
  auto found = complaints(folder.write("empty.so", ""));
  CHECK_THAT(found.at("elf"), Contains("fail: the file is empty"));
  CHECK_THAT(found.at("note"), Contains("skip: needs 'elf'"));
  CHECK_THAT(found.at("load"), Contains("skip"));
  found = complaints(folder.path("not_there.so"));
  CHECK_THAT(found.at("readable"), Contains("fail: no such file"));
  auto bytes = read_bytes(fixture("zero9"));
  bytes = with_note_text(bytes, "\"abi\":\"", "\"abi\":\"0");
  found = complaints(folder.write("other.so", bytes));
  CHECK_THAT(found.at("fingerprint"), Contains("fail: sdk abi") && Contains("fix: rebuild"));
  CHECK_THAT(found.at("load"), Contains("skip: needs 'fingerprint'"));
}

TEST_CASE("the checks that load a plugin run in the rank program") {
  const TemporaryFolder folder;
  const auto rank = [&](const std::string& name, const std::string& script) {
    const std::string file = folder.write(name, "#!/bin/sh\n" + script + "\n");
    std::filesystem::permissions(file, std::filesystem::perms(0755));
    CheckSettings settings;
    settings.rank_program = file;
    settings.timeout_seconds = 5;
    return settings;
  };
  const std::string pass = R"(echo '{"detail":"","outcome":"pass"}')";
  auto found = complaints(fixture("zero9"), rank("good", "echo noise of the plugin; " + pass));
  CHECK(found.size() == 1);
  const std::string expected = R"(test "$1 $3" = "--check-plugin load" || exit 9; )";
  found = complaints(fixture("zero9"), rank("picky", expected + pass));
  CHECK(found.count("load") == 0);
  CHECK_THAT(found.at("descriptor"), Contains("crash: ended with exit code 9"));
  found = complaints(fixture("zero9"), rank("killed", "kill -SEGV $$"));
  CHECK_THAT(found.at("load"), Contains("crash: ended by signal: Segmentation fault"));
  found = complaints(fixture("zero9"),
                     rank("bad", R"(echo '{"detail":"it needs x","outcome":"fail"}')"));
  CHECK(found.at("load") == "fail: it needs x");
  CheckSettings slow = rank("slow", "sleep 60");
  slow.timeout_seconds = 0.2;
  slow.only = "load";
  CHECK_THAT(complaints(fixture("zero9"), slow).at("load"), Contains("did not end in time"));
  CheckSettings absent = slow;
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
  CheckSettings settings;
  settings.only = "note";
  const auto results = check_plugin(fixture("zero9"), settings);
  REQUIRE(results.size() == 1);
  CHECK(results.front().detail == "a strategy: 'org.acme.zero9' 0.3.1");
  settings.only = "notes";
  CHECK_THROWS_WITH(check_plugin(fixture("zero9"), settings), Contains("readable, elf, note"));
}

TEST_CASE("check-plugin's exit code and JSON") {
  std::ostringstream out;
  CheckPluginArguments arguments{.file = fixture("zero9"), .json = true, .settings = {}};
  CHECK(run_check_plugin_command(arguments, out) == 0);
  json report = json::parse(out.str());
  CHECK(report["conforms"] == true);
  CHECK(report["checks"].size() == check_names().size());
  CHECK(report["checks"][0]["outcome"] == "pass");

  std::ostringstream text;
  arguments = {.file = fixture("mute"), .json = false, .settings = {}};
  CHECK(run_check_plugin_command(arguments, text) == 3);
  CHECK_THAT(text.str(), Contains("does not conform") && Contains("fail  symbols"));
}

struct Listing {
  int code;
  std::string text;
};

/// The entries of a listing that lie in `folder`: the tree's own plugins are listed too.
json in_folder(const json& entries, const std::string& folder) {
  json out = json::array();
  for (const json& entry : entries) {
    if (entry["file"].get<std::string>().rfind(folder, 0) == 0) out.push_back(entry);
  }
  return out;
}

Listing list(const PluginsArguments& arguments, const std::string& folder) {
  setenv("TRAINHOST_PLUGIN_PATH", folder.c_str(), 1);
  std::ostringstream out;
  const int code = run_plugins_command(arguments, out);
  unsetenv("TRAINHOST_PLUGIN_PATH");
  return {code, out.str()};
}

TEST_CASE("plugins lists what is usable, what is not and why, and what is refused") {
  const TemporaryFolder folder;
  folder.copy("zero9");
  folder.copy("npu_probe");
  folder.write("text.so", "hello");
  PluginsArguments arguments;
  arguments.json = true;
  Listing listing = list(arguments, folder.path());
  CHECK(listing.code == 0);
  const json report = json::parse(listing.text);
  const json plugins = in_folder(report["plugins"], folder.path());
  REQUIRE(plugins.size() == 2);
  const json& npu = plugins[0];
  CHECK(npu["id"] == "npu");
  CHECK(npu["kind"] == "device");
  CHECK(npu["usable"] == false);
  CHECK(npu["reason"] == "no NPU on the bus");
  const json& zero9 = plugins[1];
  CHECK(zero9 == json{{"id", "org.acme.zero9"},
                      {"kind", "strategy"},
                      {"version", "0.3.1"},
                      {"file", folder.path("zero9.so")},
                      {"usable", true},
                      {"reason", ""}});
  REQUIRE(report["refused"].size() == 1);
  CHECK(report["refused"][0]["file"] == folder.path("text.so"));
  CHECK_THAT(report["refused"][0]["reasons"][0].get<std::string>(), Contains("hello"));

  arguments.json = false;
  listing = list(arguments, folder.path());
  CHECK_THAT(listing.text, Contains("org.acme.zero9  strategy  0.3.1    yes"));
  CHECK_THAT(listing.text,
             Contains("refused\n  " + folder.path("text.so") + "\n    - not a shared"));
}

TEST_CASE("plugins: a duplicate is not usable by its id, unless one is named") {
  const TemporaryFolder folder;
  const std::string first = folder.copy("zero9", "a.so"), second = folder.copy("zero9", "b.so");
  PluginsArguments arguments;
  arguments.json = true;
  json plugins =
      in_folder(json::parse(list(arguments, folder.path()).text)["plugins"], folder.path());
  REQUIRE(plugins.size() == 2);
  CHECK(plugins[0]["usable"] == false);
  CHECK_THAT(plugins[0]["reason"].get<std::string>(), Contains("also in " + second));
  arguments.files = {second};
  plugins = in_folder(json::parse(list(arguments, folder.path()).text)["plugins"], folder.path());
  CHECK(plugins[0]["usable"] == false);
  CHECK_THAT(plugins[0]["reason"].get<std::string>(), Contains("replaced by " + second));
  CHECK(plugins[1]["usable"] == true);
}

TEST_CASE("plugins: a file named by --plugin that is refused is exit code 3") {
  const TemporaryFolder folder;
  PluginsArguments arguments;
  arguments.files = {folder.write("text.so", "hello")};
  const Listing listing = list(arguments, folder.path());
  CHECK(listing.code == 3);
  CHECK_THAT(listing.text, Contains("text.so"));
}

TEST_CASE("plugins --devices shows each device") {
  ProbedDevice device{.index = 1, .name = "NPU B", .memory_bytes = std::int64_t{3} << 29};
  PluginReport report;
  report.plugins.push_back({.id = "npu",
                            .kind = "device",
                            .version = "1",
                            .file = "/npu.so",
                            .usable = true,
                            .reason = "",
                            .notes = {},
                            .devices = {device}});
  CHECK_THAT(render_text(report, true), Contains("npu:1  NPU B  1.5 GiB"));
  CHECK_THAT(render_text(report, false), !Contains("NPU B"));
  const json with = json::parse(render_json(report, true))["plugins"][0];
  CHECK(with["devices"][0]["memory_bytes"] == std::int64_t{3} << 29);
  CHECK_FALSE(json::parse(render_json(report, false))["plugins"][0].contains("devices"));
}

}  // namespace
}  // namespace trainhost::plugins
