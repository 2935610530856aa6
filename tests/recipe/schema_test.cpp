// Schemas: the JSON form, what it refuses, and what it makes of a table.
#include "host/recipe/schema.h"

#include "fixture.h"
#include "host/recipe/lua_meta.h"
#include "host/recipe/sandbox.h"

using namespace trainhost;
using namespace trainhost::recipe;
using namespace trainhost::recipe::test;
using Catch::Matchers::Contains;

namespace {

std::string refused(const std::string& schema) {
  try {
    schema_from_json(schema, "plugin 'p'");
  } catch (const Error& error) {
    CHECK(error.failure() == Failure::kPlugin);
    return error.what();
  }
  return "accepted";
}

/// What checking `lua` (a table) against one option `x` of `schema` complains of, "" if nothing.
std::string complaint(const std::string& schema, const std::string& lua) {
  const Value raw = Sandbox().run("return " + lua, "r.lua", {});
  Problems problems;
  check_table(raw, schema_from_json("[{\"name\": \"x\", " + schema + "}]", "p"), "m", problems);
  try {
    problems.throw_if_any("r.lua");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a wrong schema is the plugin's fault and names the option") {
  const std::pair<const char*, const char*> wrongs[] = {
      {"", "plugin 'p': wrong option schema"},
      {"{}", "no list"},
      {"[3]", "an option is no object"},
      {R"([{"type": "int"}])", "'name' is no text"},
      {R"([{"name": "a b", "type": "int"}])", "no identifier"},
      {R"([{"name": "a"}])", "option 'a': 'type' is no text"},
      {R"([{"name": "a", "type": "integer"}])", "unknown type 'integer'"},
      {R"([{"name": "a", "type": "int", "mni": 3}])", "unknown property 'mni'"},
      {R"([{"name": "a", "type": "int", "min": "x"}])", "'min' is no number"},
      {R"([{"name": "a", "type": "string", "min": 3}])", "'min' is for numbers"},
      {R"([{"name": "a", "type": "int", "one_of": ["x"]}])", "for texts"},
      {R"([{"name": "a", "type": "string", "one_of": []}])", "for texts"},
      {R"([{"name": "a", "type": "int", "max_items": 3}])", "for lists"},
      {R"([{"name": "a", "type": "int", "options": []}])", "for tables"},
      {R"([{"name": "a", "type": "int", "optional": 1}])", "neither true nor false"},
      {R"([{"name": "a", "type": "int", "default": "x"}])", "its default is wrong"},
      {R"([{"name": "a", "type": "int", "default": 3, "max": 2}])", "its default is wrong"},
      {R"([{"name": "a", "type": "int"}, {"name": "a", "type": "int"}])", "declared twice"},
      {R"([{"name": "a", "type": "table", "options": [{"name": "b", "type": 3}]}])", "option 'b'"},
  };
  for (const auto& [schema, reason] : wrongs) {
    INFO(schema);
    CHECK_THAT(refused(schema), Contains(reason));
  }
}

TEST_CASE("types, bounds and choices are checked") {
  const std::string integer = R"("type": "int", "min": 1, "max": 9)";
  CHECK(complaint(integer, "{ x = 3 }").empty());
  CHECK(complaint(integer, "{ x = 3.0 }").empty());
  CHECK(complaint(integer, "{ x = 0 }") == "r.lua:1: m.x must be from 1 to 9, not 0");
  CHECK(complaint(integer, "{ x = '3' }") == "r.lua:1: m.x must be an integer, not '3'");
  CHECK(complaint(integer, "{}") == "r.lua:1: m.x is missing (an integer, from 1 to 9)");
  CHECK(complaint(R"("type": "int")", "{ x = 2^60 }") ==
        "r.lua:1: m.x is too large: 1152921504606846976");
  const std::string open = R"("type": "number", "exclusive_min": 0, "exclusive_max": 1)";
  CHECK(complaint(open, "{ x = 0.5 }").empty());
  CHECK(complaint(open, "{ x = 1 }") == "r.lua:1: m.x must be above 0 and below 1, not 1");
  CHECK(complaint(open, "{ x = 0/0 }") == "r.lua:1: m.x must be a finite number, not NaN");
  CHECK(complaint(R"("type": "bool")", "{ x = 1 }") == "r.lua:1: m.x must be true or false, not 1");
  CHECK(complaint(R"("type": "path")", "{ x = '' }") ==
        "r.lua:1: m.x must be a path, not an empty text");
  CHECK(complaint(R"("type": "string", "one_of": ["mean", "max"])", "{ x = 'maen' }") ==
        "r.lua:1: m.x must be one of mean, max, not 'maen'; did you mean 'mean'?");
}

TEST_CASE("lists are checked item by item") {
  const std::string list = R"("type": "list<int>", "min": 1, "min_items": 1, "max_items": 3)";
  CHECK(complaint(list, "{ x = { 1, 2 } }").empty());
  CHECK(complaint(list, "{ x = {} }") == "r.lua:1: m.x must have 1 to 3 items, not 0");
  CHECK(complaint(list, "{ x = { 1, 2, 3, 4 } }") == "r.lua:1: m.x must have 1 to 3 items, not 4");
  CHECK(complaint(list, "{ x = 5 }") == "r.lua:1: m.x must be a list of integers, not 5");
  CHECK(complaint(list, "{ x = { a = 1 } }") ==
        "r.lua:1: m.x must be a list of integers, not a table");
  CHECK(complaint(list, "{ x = { 1,\n 0 } }") == "r.lua:2: m.x[2] must be at least 1, not 0");
  CHECK(complaint(R"("type": "list<string>", "one_of": ["a", "b"])", "{ x = { 'c' } }") ==
        "r.lua:1: m.x[1] must be one of a, b, not 'c'; did you mean 'a'?");
  CHECK(complaint(R"("type": "list<number>")", "{ x = { 1, 2.5 } }").empty());
}

TEST_CASE("a list of tables is checked table by table, and one table stands for a list of it") {
  const std::string sets = R"("type": "list<table>", "min_items": 1, "max_items": 2, "options": [
    {"name": "file", "type": "path"}, {"name": "weight", "type": "number", "default": 1}])";
  CHECK(complaint(sets, "{ x = { { file = 'a' }, { file = 'b', weight = 2 } } }").empty());
  CHECK(complaint(sets, "{ x = { file = 'a' } }").empty());
  CHECK(complaint(sets, "{ x = {} }") == "r.lua:1: m.x must have 1 to 2 items, not 0");
  CHECK(complaint(sets, "{ x = { { file = 'a' },\n { weight = 2 } } }") ==
        "r.lua:2: m.x[2].file is missing (a path)");
  CHECK(complaint(sets, "{ x = { { file = 'a', fiel = 'b' } } }") ==
        "r.lua:1: unknown key 'fiel' in m.x[1]; did you mean 'file'?");
  CHECK(complaint(sets, "{ x = { 'a' } }") == "r.lua:1: m.x[1] must be a table, not 'a'");
  CHECK(complaint(sets, "{ x = 'a' }") == "r.lua:1: m.x must be a list of tables, not 'a'");

  Problems problems;
  const Value raw = Sandbox().run("return { x = { file = 'a' } }", "r.lua", {});
  const Value checked =
      check_table(raw, schema_from_json("[{\"name\": \"x\", " + sets + "}]", "p"), "m", problems);
  const std::vector<Options> tables = Options(checked, "m").tables("x");
  REQUIRE(tables.size() == 1);
  CHECK(tables[0].text("file") == "a");
  CHECK(tables[0].real("weight") == 1);
  CHECK(tables[0].full("file") == "m.x[1].file");
}

TEST_CASE("a missing table is made of its own defaults, or says what it lacks") {
  CHECK(complaint(R"("type": "table", "options": [
    {"name": "a", "type": "int", "default": 1}])",
                  "{}")
            .empty());
  CHECK(complaint(R"("type": "table", "options": [{"name": "a", "type": "int"}])", "{}") ==
        "r.lua:1: m.x.a is missing (an integer)");
  CHECK(complaint(R"("type": "table", "optional": true,
    "options": [{"name": "a", "type": "int"}])",
                  "{}")
            .empty());
  CHECK(complaint(R"("type": "table", "options": [])", "{ x = 3 }") ==
        "r.lua:1: m.x must be a table, not 3");
}

TEST_CASE("near misses are found, far ones are not") {
  const std::vector<std::string> known{"strategy", "model", "lr"};
  CHECK(nearest("stratgey", known) == "strategy");
  CHECK(nearest("lrr", known) == "lr");
  CHECK(nearest("mode", known) == "model");
  CHECK(nearest("unrelated", known).empty());
  CHECK(nearest(std::string(1000, 's'), known).empty());
}

TEST_CASE("clean text is UTF-8 without control characters") {
  CHECK(is_clean_text("plain\tand\nlines ä → 𝛼"));
  for (const char* wrong : {"\x01", "\x7f", "\x80", "\xc3", "\xc0\xaf", "\xed\xa0\x80",
                            "\xf5\x80\x80\x80", "\xe2\x82", "\xf0\x80\x80\x80"}) {
    INFO(wrong);
    CHECK_FALSE(is_clean_text(wrong));
  }
  CHECK(cleaned("a\xff\x01z") == "a??z");
}

TEST_CASE("the editor's file has a class per table and plugin") {
  const std::string meta = lua_meta(paper_plugin_list());
  CHECK_THAT(meta, Contains("---@meta"));
  CHECK_THAT(meta, Contains("---@class trainhost.Recipe\n---@field name string"));
  CHECK_THAT(meta, Contains("---@field precision? \"fp32\"|\"bf16\"|\"fp16\""));
  CHECK_THAT(meta, Contains("---@field embed_dim? integer # columns"));
  CHECK_THAT(meta, Contains("---@field pretrain? trainhost.plugin.kgat.pretrain"));
  CHECK_THAT(meta, Contains("---@class trainhost.plugin.kgat.data\n---@field dir? string"));
  CHECK_THAT(meta, Contains("---@field lr? \"linear\"|\"sqrt\"|\"none\"|trainhost.Rule"));
}
