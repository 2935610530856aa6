// The lines of keys, at every depth and through variables.
#include "host/recipe/positions.h"

#include "fixture.h"
#include "host/recipe/sandbox.h"

using namespace trainhost;
using namespace trainhost::recipe;

namespace {

/// The line of "a.b" or "a.[2]" in what `source` returns.
int line_of(const std::string& source, const std::string& path) {
  const Places places = Places::of(source);
  Place place = places.root();
  std::size_t begin = 0;
  while (begin < path.size()) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    place = Places::entry(place, path.substr(begin, end - begin));
    begin = end + 1;
  }
  return place.line;
}

}  // namespace

TEST_CASE("every key of a literal table has its line") {
  const std::string source = R"(-- a comment = {
--[[ a = {
]] local unused = [==[
x = 1 ]==]
return {
  a = 1, b =
    2,
  c = { 'id', x = 3,
    y = { 1,
      2, z = "}" } };
  ["d"] = function(p, q)
    local r, s = { 1 }, 2
    if p then return { a = 1 } end
    for i = 1, 2 do r = i end
    return r
  end,
  e = (1 + 2) * 3, f = "a\
b",
  g = 1,
})";
  CHECK(line_of(source, "") == 5);
  CHECK(line_of(source, "a") == 6);
  CHECK(line_of(source, "b") == 6);
  CHECK(line_of(source, "c") == 8);
  CHECK(line_of(source, "c/[1]") == 8);
  CHECK(line_of(source, "c/y") == 9);
  CHECK(line_of(source, "c/y/[2]") == 10);
  CHECK(line_of(source, "c/y/z") == 10);
  CHECK(line_of(source, "d") == 11);
  CHECK(line_of(source, "e") == 17);
  CHECK(line_of(source, "g") == 19);
}

TEST_CASE("what a function does with its own variables is not the table's") {
  const std::string source = R"(return {
  g = 1,
  f = function()
    local x, g = 1, { y = 2 }
    return g
  end,
})";
  CHECK(line_of(source, "g") == 2);
  CHECK(line_of(source, "f") == 3);
}

TEST_CASE("variables and assignments are followed") {
  const std::string source = R"(local base = {
  a = { x = 1,
    y = 2 },
}
local fixed <const> = { q = 1 }
base.b = 3
base.a.z = 4
base.c = fixed
local function helper()
  return { a = 9 }
end
if base then base.d = { w = 1 } end
return base)";
  CHECK(line_of(source, "") == 13);
  CHECK(line_of(source, "a/y") == 3);
  CHECK(line_of(source, "b") == 6);
  CHECK(line_of(source, "a/z") == 7);
  CHECK(line_of(source, "c") == 8);
  CHECK(line_of(source, "c/q") == 5);
  CHECK(line_of(source, "d/w") == 12);
  const std::string nested = "local m = {\n 'kgat',\n dim = 1 }\nreturn { model = m, n = m.dim }";
  CHECK(line_of(nested, "model") == 4);
  CHECK(line_of(nested, "model/dim") == 3);
}

TEST_CASE("what is computed falls back to the enclosing key") {
  CHECK(line_of("return {\n a = make {\n x = 1 } }", "a/x") == 2);
  CHECK(line_of("local t = { x = 1 }\nreturn {\n a = t or {} }", "a/x") == 3);
  CHECK(line_of("local a, b = { x = 1 }, { y = 1 }\nreturn {\n k = b }", "k/x") == 3);
  CHECK(line_of("\n\nreturn make()", "a") == 3);
  CHECK(line_of("return { ['a'..'b'] = 1,\n c = 2 }", "c") == 2);
  CHECK(line_of("local a = {} a.a = a\nreturn a", "a/a/a") == 1);
}

TEST_CASE("tables that the recipe changes afterwards keep sensible lines") {
  const Value value = Sandbox().run(R"(
local t = { a = 1 }
for i = 1, 3 do t["k" .. i] = i end
return t)",
                                    "r.lua", {});
  CHECK(value.find("a")->position.text() == "r.lua:2");
  CHECK(value.find("k2")->position.text() == "r.lua:4");
}

TEST_CASE("text that is no Lua does no harm") {
  for (const char* source :
       {"", "return", "return {", "return { a", "return { a =", "'", "[[", "--[==[", "return { [",
        "return { ['a'", "}}}", "end end", "x.y = {", "a <", "\\"}) {
    INFO(source);
    CHECK(line_of(source, "a") >= 0);
  }
}
