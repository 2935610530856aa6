#include <catch2/catch.hpp>

#include "host/bench/options.h"
#include "host/bench/script_library.h"
#include "trainhost/error.h"

using namespace trainhost;
using namespace trainhost::bench;
using Catch::Matchers::Contains;

namespace {

Json declared(const char* option, const std::vector<std::string>& words) {
  return ScriptOptions(words).declare(parse(option));
}

}  // namespace

TEST_CASE("an option has its default's type") {
  CHECK(declared(R"({"name": "n", "default": 3})", {}) == 3);
  CHECK(declared(R"({"name": "n", "default": 3})", {"n=5"}) == 5);
  CHECK(declared(R"({"name": "n", "default": 1.5})", {"n=2"}) == 2);
  CHECK(declared(R"({"name": "n", "default": false})", {"n=true"}) == true);
  CHECK(declared(R"({"name": "n", "default": ""})", {"n=007"}) == "007");
  CHECK(declared(R"({"name": "n", "default": {}})", {"n=ddp,zero2"}) ==
        parse(R"(["ddp", "zero2"])"));
  CHECK(declared(R"({"name": "n", "default": [1]})", {"n=[1, 2]"}) == parse("[1, 2]"));
  CHECK(declared(R"({"name": "n", "default": {}})", {}) == Json::array());
  CHECK(declared(R"({"name": "n"})", {}).is_null());
  CHECK(declared(R"({"name": "n", "type": "integer"})", {"n=4"}) == 4);
}

TEST_CASE("wrong options are refused with what was expected") {
  CHECK_THROWS_WITH(declared(R"({"name": "n", "default": 3})", {"n=many"}), Contains("integer"));
  CHECK_THROWS_WITH(declared(R"({"name": "n", "default": 3})", {"n=2.5"}), Contains("integer"));
  CHECK_THROWS_WITH(
      declared(R"({"name": "m", "default": "a", "choices": ["kgat", "sbert"]})", {"m=kgta"}),
      Contains("did you mean 'kgat'"));
  CHECK_THROWS_WITH(declared(R"({"name": "a b"})", {}), Contains("no usable name"));
  CHECK_THROWS_WITH(declared(R"({"name": "n", "type": "date"})", {}), Contains("no type"));
  CHECK_THROWS_WITH(ScriptOptions({"repeats"}), Contains("no name=value"));
  CHECK_THROWS_WITH(ScriptOptions({"a=1", "a=2"}), Contains("twice"));
  ScriptOptions options({"repeat=3"});
  options.declare(parse(R"({"name": "repeats", "default": 1})"));
  CHECK_THROWS_WITH(options.check_all_known(), Contains("did you mean 'repeats'"));
  CHECK_THROWS_WITH(options.declare(parse(R"({"name": "repeats"})")), Contains("declared twice"));
}

TEST_CASE("--help knows the options without making runs") {
  ScriptOptions options({});
  declare_options(
      R"(local n = bench.option{ name = "number", default = bench.machine().cores * 0 + 2, help = "of things" }
    bench.run("nothing")
    bench.option{ name = "never" })",
      "s.lua", options);
  CHECK_THAT(options.help(), Contains("number=integer") && Contains("of things") &&
                                 Contains("(default 2)") && !Contains("never"));
  CHECK_THROWS_WITH(declare_options("error('broken')", "s.lua", options), Contains("broken"));
}
