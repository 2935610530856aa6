// check-plugin on plugins that are wrong on purpose: each fails the check that is for its fault,
// and no other.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <set>

#include "trainhost_process.h"

namespace {

using namespace trainhost::testing;
using Arguments = std::vector<std::string>;
using Json = nlohmann::json;

std::string file(const std::string& name) {
  const bool strategy = name == "broken" || name == "faulty_zero";
  return (strategy ? TRAINHOST_BROKEN_STRATEGIES "/" : TRAINHOST_BROKEN "/") + name + ".so";
}

Json checked(const std::string& name, Arguments more) {
  const TemporaryFolder folder;
  Arguments all{"check-plugin", file(name), "--json"};
  all.insert(all.end(), more.begin(), more.end());
  const Ended ended = run(all, folder.path());
  INFO(ended.output);
  const Json report = Json::parse(ended.output.substr(ended.output.find("{\n")));
  CHECK(ended.code == (report["conforms"] == true ? 0 : 3));
  CHECK(processes_with(folder.path()) == 0);
  return report;
}

std::set<std::string> failed(const Json& report) {
  std::set<std::string> out;
  for (const Json& check : report["checks"]) {
    const bool bad = check["outcome"] == "fail" || check["outcome"] == "crash";
    if (bad) out.insert(check["name"]);
    // Nothing is passed over in silence.
    if (check["outcome"] != "pass") CHECK(check["detail"].get<std::string>().size() > 5);
  }
  return out;
}

}  // namespace

TEST_CASE("each fault of a strategy fails the check that is for it, and no other") {
  struct Fault {
    const char *name, *check;
  };
  const Fault fault = GENERATE(
      Fault{"no division", "equivalence.world-1"}, Fault{"stale gradient", "equivalence.world-1"},
      Fault{"order", "collectives.order"}, Fault{"last bucket", "equivalence.ranks"},
      Fault{"no agreement", "equivalence.unused"}, Fault{"equal ranks", "equivalence.uneven"},
      Fault{"mean of micro-batches", "equivalence.accumulate"},
      Fault{"lost state", "checkpoint.resume"}, Fault{"wrong traffic", "claims.traffic"},
      Fault{"wrong memory", "claims.memory"}, Fault{"leak in steps", "leaks.steps"},
      Fault{"leak in sessions", "leaks.sessions"});
  CAPTURE(fault.name);
  const Json report = checked(
      "broken", {"--worlds", "3", "--set", std::string("strategy.fault=\"") + fault.name + "\""});
  INFO(report.dump(1));
  CHECK(failed(report) == std::set<std::string>{fault.check});
}

TEST_CASE("a norm of each rank's own fails the check of clipping alone") {
  const Json report = checked("faulty_zero", {"--worlds", "2", "--set", "strategy.fault=own_norm"});
  INFO(report.dump(1));
  CHECK(failed(report) == std::set<std::string>{"equivalence.clip"});
}

TEST_CASE("a device whose sums are wrong for uneven counts fails that check alone") {
  const Json report = checked("broken_device", {"--worlds", "2,3"});
  INFO(report.dump(1));
  CHECK(failed(report) == std::set<std::string>{"collectives.uneven"});
}

TEST_CASE("each mistake of a model fails the check that is for it") {
  struct Mistake {
    const char *name, *check;
  };
  const Mistake mistake =
      GENERATE(Mistake{"split", "model.split"}, Mistake{"zero rows", "model.zero-rows"},
               Mistake{"evaluation", "model.evaluation"});
  CAPTURE(mistake.name);
  const Json report = checked(
      "broken_model",
      {"--worlds", "1,2,3", "--set", std::string("model.mistake=\"") + mistake.name + "\""});
  INFO(report.dump(1));
  CHECK(failed(report) == std::set<std::string>{mistake.check});
}

TEST_CASE("without its fault each of them conforms") {
  const std::string name = GENERATE("broken", "broken_model");
  CAPTURE(name);
  const Json report = checked(name, {"--worlds", "1,2"});
  INFO(report.dump(1));
  CHECK(failed(report).empty());
}
