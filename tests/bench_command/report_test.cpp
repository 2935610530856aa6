#include "host/bench/report.h"

#include <catch2/catch.hpp>

#include "host/bench/out_folder.h"
#include "written_folder.h"

using namespace trainhost::bench;

TEST_CASE("a line for each run, and a column for each metric") {
  const Json runs = parse(R"([
    {"label": "a, \"b\"", "repeat": 1, "outcome": "done", "step_ms": {"median": 2.5}, "final": {"recall@20": 0.5},
     "command": ["trainhost", "r.lua"]},
    {"label": "c", "outcome": "failed", "reason": "no\nmemory", "final": null}])");
  const std::string csv = csv_text(runs);
  const std::string header = csv.substr(0, csv.find('\n'));
  CHECK(header.starts_with("label,repeat,warmup,outcome,"));
  CHECK(header.ends_with(",final.recall@20"));
  CHECK(csv.find("\n\"a, \"\"b\"\"\",1,,done,") != std::string::npos);
  CHECK(csv.find(",2.5,") != std::string::npos);
  CHECK(csv.find("trainhost r.lua") != std::string::npos);
  CHECK(csv.find("\"no\nmemory\"") != std::string::npos);
}

TEST_CASE("the report is whole after each run") {
  trainhost::testing::WrittenFolder place;
  const std::string json = place.path() + "/r.json", csv = place.path() + "/r.csv";
  Report report({{json}, {csv}}, {{"machine", {{"cores", 2}}}});
  report.add_run({{"label", "a"}, {"outcome", "done"}, {"reused", true}});
  report.add_run({{"label", "b"}, {"outcome", "failed"}, {"reason", "\xff"}});
  report.write();
  const Json read = parse(read_some(json, 1 << 20));
  CHECK(read["machine"]["cores"] == 2);
  CHECK(read["runs"].size() == 2);
  CHECK((report.failed() == 1 && report.reused() == 1));
}
