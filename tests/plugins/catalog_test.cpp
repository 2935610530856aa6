// The search path with good, bad and hostile files in it, and how a recipe's name finds a plugin.
#include "host/plugins/catalog.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>

#include "fixture_files.h"
#include "trainhost/error.h"

namespace trainhost::plugins {
namespace {

using Catch::Contains;
using test::fixture;
using test::read_bytes;
using test::TemporaryFolder;
using test::with_note_text;

Catalog catalog_of(const TemporaryFolder& folder, std::vector<std::string> files = {}) {
  return Catalog(SearchPath{std::move(files), {folder.path()}});
}

/// All reasons of the one file of this name, as one text.
std::string reasons_of(const Catalog& catalog, const std::string& name) {
  for (const Catalog::Entry& entry : catalog.entries()) {
    if (!entry.inspection.file.ends_with("/" + name)) continue;
    std::string out;
    for (const std::string& reason : entry.inspection.reasons) out += reason + "\n";
    return out;
  }
  return "not in the catalog";
}

template <class Action>
std::string message_of(Action action) {
  try {
    action();
  } catch (const Error& error) {
    CHECK(error.failure() == Failure::kPlugin);
    return error.what();
  }
  return "nothing thrown";
}

TEST_CASE("a folder with every kind of bad file in it: the good ones are found") {
  const TemporaryFolder folder;
  folder.copy("zero9");
  folder.copy("npu_probe");
  folder.write("empty.so", "");
  folder.write("text.so", "INPUT(libreal.so)\n");
  folder.write("ignored.txt", "not looked at");
  const auto bytes = read_bytes(fixture("zero9"));
  folder.write("short.so", std::span(bytes).first(700));
  std::filesystem::create_directory(folder.path("folder.so"));
  std::filesystem::create_symlink("nowhere", folder.path("dangling.so"));
  REQUIRE(mkfifo(folder.path("pipe.so").c_str(), 0600) == 0);
  folder.write("sparse.so",
               "\x7f"
               "ELF");
  std::filesystem::resize_file(folder.path("sparse.so"), 1u << 30);

  Catalog catalog = catalog_of(folder);
  CHECK(catalog.entries().size() == 9);
  CHECK(catalog.known_ids(Kind::kStrategy) == std::vector<std::string>{"org.acme.zero9"});
  CHECK_THAT(reasons_of(catalog, "empty.so"), Contains("empty"));
  CHECK_THAT(reasons_of(catalog, "text.so"), Contains("INPUT(libreal.so)"));
  CHECK_THAT(reasons_of(catalog, "short.so"), Contains("truncated"));
  CHECK_THAT(reasons_of(catalog, "folder.so"), Contains("a folder"));
  CHECK_THAT(reasons_of(catalog, "dangling.so"), Contains("symbolic link"));
  CHECK_THAT(reasons_of(catalog, "pipe.so"), Contains("a pipe"));
  CHECK_THAT(reasons_of(catalog, "sparse.so"), Contains("another machine"));
  CHECK(reasons_of(catalog, "zero9.so").empty());
}

TEST_CASE("a device file is refused without being opened") {
  const Catalog catalog(SearchPath{{"/dev/zero"}, {}});
  CHECK_THAT(reasons_of(catalog, "zero"), Contains("a device"));
}

TEST_CASE("a file this user may not read is refused with the reason") {
  const TemporaryFolder folder;
  const std::string file = folder.copy("zero9");
  std::filesystem::permissions(folder.path(), std::filesystem::perms(0755));
  REQUIRE(chmod(file.c_str(), 0) == 0);
  // Root reads everything, so a child that is nobody looks.
  const pid_t child = fork();
  if (child == 0) {
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) _exit(2);
    const Inspection seen = inspect(file);
    _exit(!seen.usable() && seen.reasons.front().find("Permission denied") != std::string::npos
              ? 0
              : 1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 2) {
    WARN("skipped: this process is root and cannot become another user");
    return;
  }
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("a plugin of another build is refused with every difference at once") {
  const TemporaryFolder folder;
  auto bytes = read_bytes(fixture("zero9"));
  bytes = with_note_text(bytes, "\"libtorch\":\"2.11.0\"", "\"libtorch\":\"2.5.1\"");
  bytes = with_note_text(bytes, "\"cxx11_abi\":\"1\"", "\"cxx11_abi\":\"0\"");
  bytes = with_note_text(bytes, "\"compiler\":\"gcc ", "\"compiler\":\"icc ");
  folder.write("zero9.so", bytes);
  Catalog catalog = catalog_of(folder);

  const std::string reasons = reasons_of(catalog, "zero9.so");
  CHECK_THAT(reasons, Contains("libtorch: the plugin was built with 2.5.1, this host with 2.11.0"));
  CHECK_THAT(reasons, Contains("cxx11 abi: the plugin was built with 0, this host with 1"));
  CHECK_THAT(reasons, !Contains("compiler"));
  CHECK(catalog.known_ids(Kind::kStrategy).empty());

  const std::string message =
      message_of([&] { catalog.find(Kind::kStrategy, "zero9", "recipes/x.lua:11"); });
  CHECK_THAT(message, Catch::StartsWith("recipes/x.lua:11: cannot load strategy 'zero9'"));
  CHECK_THAT(message, Contains("(org.acme.zero9 0.3.1)"));
  CHECK_THAT(message, Contains("plugin was built with   this host"));
  CHECK_THAT(message,
             Contains("  libtorch          2.5.1                   2.11.0            must match"));
  CHECK_THAT(message, Contains("rebuild against this SDK:  cmake -DCMAKE_PREFIX_PATH="));
  CHECK_THAT(message, Contains("icc"));
}

TEST_CASE("each difference that must match refuses by itself") {
  const auto refused_by = [](const std::string& from, const std::string& to) {
    const TemporaryFolder folder;
    folder.write("zero9.so", with_note_text(read_bytes(fixture("zero9")), from, to));
    return reasons_of(catalog_of(folder), "zero9.so");
  };
  CHECK_THAT(refused_by("\"abi\":\"", "\"abi\":\"0"), Contains("sdk abi"));
  CHECK_THAT(refused_by("\"arch\":\"x86_64\"", "\"arch\":\"aarch64\""), Contains("architecture"));
  CHECK_THAT(refused_by("\"stdlib\":\"libstdc++\"", "\"stdlib\":\"libc++\""),
             Contains("c++ library"));
  CHECK_THAT(refused_by("\"glibcxx_debug\":\"0\"", "\"glibcxx_debug\":\"1\""),
             Contains("_GLIBCXX_DEBUG"));
  CHECK_THAT(refused_by("\"rtti\":\"1\"", "\"rtti\":\"0\""), Contains("rtti"));
  CHECK_THAT(refused_by("\"sanitizer\":\"", "\"sanitizer\":\"x"), Contains("sanitizer"));
  CHECK_THAT(refused_by("\"cuda\":\"none\"", "\"cuda\":\"11080\""), Contains("cuda"));
  CHECK_THAT(refused_by("\"cxx11_abi\":\"1\",", ""), Contains("cxx11 abi") && Contains("missing"));
  CHECK(refused_by("\"cuda\":\"none\"", "\"cuda\":\"13020\"").empty());
  CHECK(refused_by("\"libtorch\":\"2.11.0\"", "\"libtorch\":\"none\"").empty());
  CHECK(refused_by("\"ndebug\":\"", "\"ndebug\":\"9").empty());
}

TEST_CASE("a plugin is found by id, by the last part of it, and by path") {
  const TemporaryFolder folder;
  const std::string file = folder.copy("zero9");
  Catalog catalog = catalog_of(folder);
  const PluginInfo* by_id = catalog.find(Kind::kStrategy, "org.acme.zero9");
  REQUIRE(by_id != nullptr);
  CHECK(by_id->file == file);
  CHECK(catalog.find(Kind::kStrategy, "zero9") == by_id);
  CHECK(catalog.find(Kind::kStrategy, file) == by_id);
  CHECK(catalog.find(Kind::kStrategy, "acme.zero9") == nullptr);
  CHECK(catalog.find(Kind::kModel, "zero9") == nullptr);
  CHECK(catalog.find(Kind::kStrategy, "") == nullptr);
  CHECK(catalog.warnings().empty());
}

TEST_CASE("a path to what is not such a plugin says what it is") {
  Catalog catalog(SearchPath{});
  CHECK_THAT(message_of([&] { catalog.find(Kind::kModel, fixture("zero9"), "r.lua:3"); }),
             Contains("r.lua:3: cannot load model") && Contains("expected: a model plugin") &&
                 Contains("got:      a strategy: 'org.acme.zero9' 0.3.1"));
  CHECK_THAT(message_of([&] { catalog.find(Kind::kDevice, fixture("npu_probe")); }),
             Contains("the probe of a device"));
  CHECK_THAT(message_of([&] { catalog.find(Kind::kModel, "./not_there.so"); }),
             Contains("no such file"));
}

TEST_CASE("two files with one id are both listed, and the id alone is an error") {
  const TemporaryFolder folder;
  const std::string first = folder.copy("zero9", "a.so"), second = folder.copy("zero9", "b.so");
  Catalog catalog = catalog_of(folder);
  CHECK(catalog.entries().size() == 2);
  CHECK(catalog.known_ids(Kind::kStrategy).size() == 1);
  const std::string message = message_of([&] { catalog.find(Kind::kStrategy, "zero9"); });
  CHECK_THAT(message, Contains(first) && Contains(second) && Contains("--plugin FILE"));
  // A path settles it, with a warning.
  REQUIRE(catalog.find(Kind::kStrategy, second) != nullptr);
  REQUIRE(catalog.warnings().size() == 1);
  CHECK_THAT(catalog.warnings().front(), Contains(second) && Contains(first));
}

TEST_CASE("a file named by --plugin wins over the search path, with a warning") {
  const TemporaryFolder folder;
  folder.copy("zero9");
  const std::string named = fixture("zero9");
  Catalog catalog = catalog_of(folder, {named});
  const PluginInfo* found = catalog.find(Kind::kStrategy, "zero9");
  REQUIRE(found != nullptr);
  CHECK(found->file == named);
  REQUIRE(catalog.warnings().size() == 1);
  catalog.find(Kind::kStrategy, "zero9");
  CHECK(catalog.warnings().size() == 1);
}

TEST_CASE("one file reached by two ways is one plugin") {
  const TemporaryFolder folder;
  const std::string file = folder.copy("zero9");
  std::filesystem::create_symlink(file, folder.path("link.so"));
  Catalog catalog(SearchPath{{}, {folder.path(), folder.path() + "/."}});
  CHECK(catalog.entries().size() == 1);
}

TEST_CASE("a named file that is refused stops the run; a scanned one does not") {
  const TemporaryFolder folder;
  const std::string bad = folder.write("bad.so", "text");
  CHECK_NOTHROW(catalog_of(folder).require_named_files());
  const Catalog catalog(SearchPath{{bad}, {}});
  CHECK_THAT(message_of([&] { catalog.require_named_files(); }), Contains(bad) && Contains("text"));
}

TEST_CASE("the search path: files, the variable's folders in order, the install") {
  setenv("TRAINHOST_PLUGIN_PATH", ":/one::/two:", 1);
  const SearchPath path = SearchPath::standard({"x.so"});
  unsetenv("TRAINHOST_PLUGIN_PATH");
  REQUIRE(path.folders.size() == 3);
  CHECK(path.folders[0] == "/one");
  CHECK(path.folders[1] == "/two");
  CHECK_THAT(path.folders[2], Catch::EndsWith("plugins"));
  const Catalog catalog(SearchPath{{}, {"/not/there"}});
  REQUIRE(catalog.warnings().size() == 1);
  CHECK_THAT(catalog.warnings().front(), Contains("/not/there"));
}

TEST_CASE("a device that is known by its probe alone cannot be used, and says why") {
  Catalog catalog(SearchPath{{fixture("npu_probe")}, {}});
  CHECK(catalog.probe_device("npu", "").why_not == "no NPU on the bus");
  CHECK(catalog.probe_device("npu", "two").why_not == "no 'npu' device plugin is installed");
  CHECK(catalog.probe_device("tpu", "").why_not == "no 'tpu' device plugin is installed");
}

TEST_CASE("a probe that misbehaves is a reason, not a failure") {
  Catalog catalog(SearchPath{{fixture("npu_probe")}, {}});
  CHECK_THAT(catalog.probe_device("npu", "throw").why_not, Contains("no bus"));
  CHECK_THAT(catalog.probe_device("npu", "silent").why_not, Contains("no answer"));
  CHECK_THAT(catalog.probe_device("npu", "overlong").why_not, Contains("no answer"));
  CHECK_THAT(catalog.probe_device("npu", "garbage").why_not, Contains("no JSON object"));
  const ProbeResult two = run_probe("npu", fixture("npu_probe"), "two");
  REQUIRE(two.devices.size() == 2);
  CHECK(two.devices[0].memory_bytes == 1024);
  CHECK(two.devices[1].memory_bytes == -1);
  CHECK(two.devices[1].name == "NPU [31m B");
}

TEST_CASE("an answer of a probe is checked") {
  for (const char* wrong :
       {"", "[]", "{}", R"({"devices": {}})", R"({"devices": []})", R"({"devices": [1]})",
        R"({"devices": [{"index": -1, "name": "x"}]})", R"({"devices": [{"index": 0}]})",
        R"({"devices": [{"index": 0, "name": "x", "memory_bytes": "much"}]})"}) {
    INFO(wrong);
    CHECK_THROWS_AS(parse_probe_answer("npu", "npu_probe.so", wrong), Error);
  }
}

}  // namespace
}  // namespace trainhost::plugins
