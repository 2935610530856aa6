// Hostile and broken recipes end in a message, soon; harmless ones run the same every time.
#include "host/recipe/sandbox.h"

#include <filesystem>
#include <fstream>

#include "fixture.h"

using namespace trainhost;
using namespace trainhost::recipe;
using Catch::Matchers::Contains;

namespace {

/// The message that evaluating gives; fails the test when it succeeds. Bounds are small, so that
/// the test is quick; the time bound stays out of the way unless a test is about it.
std::string failure_of(const std::string& source,
                       SandboxLimits limits = {.instructions = 200'000, .seconds = 60}) {
  try {
    Sandbox(limits).run(source, "r.lua", {"f"});
  } catch (const Error& error) {
    CHECK(error.failure() == Failure::kUser);
    return error.what();
  }
  FAIL("the source ran: " << source.substr(0, 80));
  return "";
}

Value run(const std::string& source) { return Sandbox().run(source, "r.lua", {}); }

std::string text(const Value& value, const char* key) {
  return std::get<std::string>(value.find(key)->data);
}

const char* kLoops[] = {
    "while true do end",
    "repeat until false",
    "::again:: goto again",
    "for i = 1, 1/0 do end",
    "for i = 1, math.maxinteger do for j = 1, math.maxinteger do end end",
    "local function f() return f() end f()",
    "local t = setmetatable and {} or {} while true do t[1] = 1 end",
    "while true do for k, v in pairs({1, 2}) do end end",
    "local s = '' while true do s = tostring(1) end",
};

}  // namespace

TEST_CASE("endless recipes are stopped at their instructions") {
  for (const char* loop : kLoops) {
    INFO(loop);
    const std::string message = failure_of(loop);
    const bool named = message.find("does not end") != std::string::npos ||
                       message.find("unknown name") != std::string::npos;
    CHECK(named);
  }
}

TEST_CASE("few instructions that take long are stopped by the clock") {
  const SandboxLimits limits{.seconds = 0.02};
  const std::string copies =
      "local s = 'x' for i = 1, 22 do s = s .. s end while true do local t = s .. 'y' end";
  CHECK_THAT(failure_of(copies, limits), Contains("takes too long"));
}

TEST_CASE("a stopped recipe says where it was") {
  CHECK_THAT(failure_of("local x = 1\n\nwhile true do\n  x = x + 1\nend"),
             Contains("r.lua:3: ") || Contains("r.lua:4: "));
  CHECK_THAT(failure_of("local s = 'x'\n\nwhile true do s = s .. s end"), Contains("r.lua:3: "));
}

TEST_CASE("memory is bounded") {
  CHECK_THAT(failure_of("local s = 'x' while true do s = s .. s end"), Contains("too much memory"));
  CHECK_THAT(failure_of("local t = {} for i = 1, 1e9 do t[i] = { i } end",
                        {.memory = std::size_t{1} << 20, .seconds = 60}),
             Contains("too much memory"));
  CHECK_THAT(failure_of("local function f() return 1 + f() end return f()", {.seconds = 60}),
             Contains("too much memory") || Contains("stack overflow"));
}

TEST_CASE("what a recipe has no business with is not there") {
  for (const char* name : {"os", "io", "load", "loadstring", "dofile", "pcall", "string", "debug",
                           "coroutine", "setmetatable", "getmetatable", "rawset", "collectgarbage",
                           "_G", "print", "next", "select"}) {
    INFO(name);
    CHECK_THAT(failure_of(std::string("return { x = ") + name + " }"),
               Contains(std::string("unknown name '") + name + "'"));
  }
  CHECK_THAT(failure_of("return { x = ('x'):rep(1e9) }"), Contains("index a string value"));
  CHECK_THAT(failure_of("return { x = math.random() }"), Contains("'random'"));
  CHECK_THAT(failure_of("require 'os'"), Contains("can only require \"trainhost.scale\""));
  CHECK_THAT(failure_of("return { x = format('%p', 'a') }"), Contains("no %p"));
  CHECK_THAT(failure_of("return { x = format('%s', {}) }"), Contains("text or boolean"));
}

TEST_CASE("a word without quotes is a mistake, not nothing") {
  CHECK(failure_of("return {\n precision = fp16 }") ==
        "r.lua:2: unknown name 'fp16'; a text needs quotes");
  CHECK_THAT(failure_of("local scale = require 'trainhost.scale'\nreturn { f = scale.linaer }"),
             Contains("r.lua:2: unknown scaling rule 'linaer'; did you mean 'linear'?"));
}

TEST_CASE("Lua's own errors name file and line") {
  CHECK_THAT(failure_of("return {\n  a = = 1 }"), Contains("r.lua:2: unexpected symbol near '='"));
  CHECK_THAT(failure_of("local x\nreturn { a = x.y }"),
             Contains("r.lua:2: attempt to index a nil"));
  CHECK_THAT(failure_of("\nerror('no luck')"), Contains("r.lua:2: no luck"));
  CHECK_THAT(failure_of("error({})"), Contains("no text"));
  CHECK_THAT(failure_of("assert(false, 'sizes differ')"), Contains("sizes differ"));
  CHECK_THAT(failure_of("error(format('%s', '\\xff\\0'))"), Contains("r.lua"));
}

TEST_CASE("what is returned must be a plain table") {
  CHECK_THAT(failure_of(""), Contains("must return a table, not nil"));
  CHECK_THAT(failure_of("return 3"), Contains("r.lua:1: the recipe must return a table"));
  CHECK_THAT(failure_of("local t = {} t.t = t\nreturn t"), Contains("contains itself"));
  CHECK_THAT(failure_of("local a, b = {}, {} a.x = { y = b } b.z = a return a"),
             Contains("x.y.z contains itself"));
  CHECK_THAT(failure_of("local t = {} for i = 1, 100 do t = { t } end return t"),
             Contains("nested too deeply"));
  CHECK_THAT(failure_of("local t = {} for i = 1, 20 do t = { t, t } end return t"),
             Contains("too many values"));
  CHECK_THAT(failure_of("return { 1, nil, 3 }"), Contains("has a hole"));
  CHECK_THAT(failure_of("return { [0] = 1 }"), Contains("lists start at 1"));
  CHECK_THAT(failure_of("return { [1 << 62] = 1 }"), Contains("has a hole"));
  CHECK_THAT(failure_of("return { [1.5] = 1 }"), Contains("neither a name nor a position"));
  CHECK_THAT(failure_of("return { [true] = 1 }"), Contains("neither a name nor a position"));
  CHECK_THAT(failure_of("return { ['[1]'] = 1 }"), Contains("unusable key"));
  CHECK_THAT(failure_of("return { [''] = 1 }"), Contains("unusable key"));
  CHECK_THAT(failure_of("return { a = '\\xff' }"), Contains("no UTF-8"));
  CHECK_THAT(failure_of("return { a = 'x\\0y' }"), Contains("control characters"));
  CHECK_THAT(failure_of("return {\n a = function() end }"),
             Contains("r.lua:2: a must not be a function"));
  CHECK_THAT(failure_of("return { a = tostring }"), Contains("a must not be a function"));
  CHECK_THAT(failure_of("return _ENV"), Contains("must not be a function"));
}

TEST_CASE("source that is no text of reasonable size is refused") {
  CHECK_THAT(failure_of(std::string("\x1bLua\x54\0\x19\x93", 8)), Contains("binary chunk"));
  CHECK_THAT(failure_of(std::string("\0\xff\x7f\x01 garbage", 12)), Contains("r.lua:1"));
  CHECK_THAT(failure_of("return " + std::string(5000, '{')), Contains("overflow"));
  CHECK_THAT(failure_of("return " + std::string(5000, '(')), Contains("overflow"));
}

TEST_CASE("pairs has one order and format is there") {
  const Value value = run(R"(
    local order = ""
    for key in pairs({ z = 1, a = 2, [3] = 0, m = 3, [1.5] = 0, 7, 8 }) do
      order = order .. tostring(key) .. " "
    end
    local sum = 0
    for i, x in ipairs({ 1, 2, 3 }) do sum = sum + i * x end
    return { order = order, sum = sum, shown = format("%03d|%.2f|%s", 7, 1.5, true),
             t = tostring({}), n = tonumber("0x10") }
  )");
  CHECK(text(value, "order") == "1 1.5 2 3 a m z ");
  CHECK(std::get<std::int64_t>(value.find("sum")->data) == 14);
  CHECK(text(value, "shown") == "007|1.50|true");
  CHECK(run("return { x = tonumber('12', 16) }").find("x") != nullptr);
  CHECK(run("local s = ' ' for i = 1, 10 do s = s .. s end return { x = tonumber(s .. '1') }")
            .find("x") == nullptr);
  CHECK(text(value, "t") == "table");
  CHECK(std::get<std::int64_t>(value.find("n")->data) == 16);
}

TEST_CASE("tables become lists, tables and mixtures of both") {
  const Value value =
      run("return { list = { 1, 2.5, 'x' }, mixed = { 'id', a = true }, none = {} }");
  CHECK(std::get<List>(value.find("list")->data).size() == 3);
  CHECK(text(*value.find("mixed"), "[1]") == "id");
  CHECK(std::get<Table>(value.find("none")->data).empty());
}

TEST_CASE("rules have names, functions can be called") {
  Sandbox sandbox({.instructions = 100'000, .seconds = 60});
  const Value value = sandbox.run(R"(
    local scale = require "trainhost.scale"
    return { g = scale.global, f = function(base, to)
      if to.ranks == 3 then return "three" end
      if to.ranks == 4 then while true do end end
      return scale.sqrt(base, to) + to.cpus
    end }
  )",
                                  "r.lua", {"f"});
  CHECK(text(value, "g") == "global");
  CHECK(text(value, "f") == "function");
  RuleArguments to{.ranks = 2, .cpus = 8, .base_batch = 10, .effective_batch = 40};
  CHECK(sandbox.call("f", 3, to) == 14);
  to.ranks = 3;
  CHECK_THROWS_WITH(sandbox.call("f", 3, to),
                    Contains("r.lua:3: f must return a number, not string"));
  to.ranks = 4;
  CHECK_THROWS_WITH(sandbox.call("f", 3, to), Contains("does not end"));
  to.ranks = 2;
  CHECK(sandbox.call("f", 3, to) == 14);
}

TEST_CASE("a file that is no recipe is named with the reason") {
  namespace fs = std::filesystem;
  const fs::path folder = fs::temp_directory_path() / "trainhost-recipe-test";
  fs::remove_all(folder);
  fs::create_directories(folder);
  const auto message = [](const fs::path& file) {
    try {
      read_recipe(file.string());
    } catch (const Error& error) {
      CHECK(error.failure() == Failure::kUser);
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  const auto write = [&](const char* name, const std::string& bytes) {
    std::ofstream(folder / name, std::ios::binary) << bytes;
    return folder / name;
  };
  CHECK_THAT(message(folder / "none.lua"), Contains("no such recipe"));
  CHECK_THAT(message(folder), Contains("is a folder"));
  CHECK_THAT(message("/dev/zero"), Contains("no regular file"));
  CHECK_THAT(message(folder / "none.lua" / "x"), Contains("none.lua/x"));
  const fs::path huge = write("huge.lua", "x");
  fs::resize_file(huge, std::uintmax_t{1} << 30);
  CHECK_THAT(message(huge), Contains("larger than a recipe may be"));
  CHECK_THAT(message(write("code.lua", "\x1bLua...")), Contains("compiled Lua"));
  CHECK(read_recipe(write("bom.lua", "\xef\xbb\xbfreturn {}").string()) == "return {}");
  fs::remove_all(folder);
}
