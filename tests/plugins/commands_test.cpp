// `trainhost plugins`, as a user and as a script see it.
#include "host/plugins/commands.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <sstream>

#include "fixture_files.h"
#include "host/plugins/report.h"

namespace trainhost::plugins {
namespace {

using Catch::Contains;
using nlohmann::json;
using test::TemporaryFolder;

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
