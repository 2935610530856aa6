#include "host/bench/table.h"

#include <catch2/catch.hpp>

using namespace trainhost::bench;

namespace {

const std::vector<Json> kRows = {
    parse(
        R"({"label": "ddp", "outcome": "done", "rate": {"median": 12.34, "min": 12, "max": 13.25, "count": 3}, "n": 2})"),
    parse(R"({"label": "zwölf", "outcome": "failed", "reason": "out of memory", "n": 1000000})")};
const std::vector<Column> kColumns = {
    {"label", "strategy", -1}, {"rate", "samples/s", 1}, {"n", "", -1}};

}  // namespace

TEST_CASE("a table for people") {
  CHECK(table_text(kRows, kColumns, TableForm::kText) ==
        "strategy         samples/s        n\n"
        "ddp       12.3 (12.0–13.2)        2\n"
        "zwölf                    –  1000000  failed: out of memory\n");
}

TEST_CASE("a table for Markdown") {
  CHECK(table_text(kRows, kColumns, TableForm::kMarkdown) ==
        "| strategy | samples/s | n |\n| --- | --: | --: |\n"
        "| ddp | 12.3 (12.0–13.2) | 2 |\n"
        "| zwölf | – | 1000000 | failed: out of memory\n");
}

TEST_CASE("cells") {
  CHECK(cell_text(1234.5678, -1) == "1235");
  CHECK(cell_text(0.00012345678, -1) == "0.0001235");
  CHECK(cell_text(3, 2) == "3.00");
  CHECK(cell_text(true, -1) == "yes");
  CHECK(cell_text(nullptr, -1) == "–");
  CHECK(cell_text("a\x1b[2Jb", -1) == "a [2Jb");
  CHECK(cell_text(parse(R"({"median": 5, "min": 5, "max": 5, "count": 1})"), -1) == "5");
}
