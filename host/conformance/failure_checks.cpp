// Whether a failure of one rank ends the others.
#include <fmt/format.h>

#include <algorithm>

#include "host/conformance/bench.h"
#include "host/conformance/groups.h"

namespace trainhost::conformance {
namespace {

constexpr double kTimeout = 30;                      // of a collective, in the bench's recipe
constexpr const char* kSaid = "a fault on request";  // what the model throws

Variant with_fault(const std::string& fault, int world) {
  Variant out{.label = fault, .world = world};
  out.overrides = {"model.fault=" + fault, "model.fault_step=2",
                   "model.fault_rank=" + std::to_string(world - 1)};
  return out;
}

std::string check_throw(const Subject& subject) {
  std::vector<Variant> variants;
  for (const int world : worlds_of(subject)) {
    for (const char* fault : {"throw", "throw in unit", "throw in backward"}) {
      variants.push_back(with_fault(fault, world));
    }
  }
  Bench bench(subject, "tiny");
  const auto runs = bench.run(variants);
  double slowest = 0;
  for (std::size_t v = 0; v < variants.size(); ++v) {
    const std::string expected =
        fmt::format("rank {} ends the run with '{}'", variants[v].world - 1, kSaid);
    const bool told = runs[v].failure.find(kSaid) != std::string::npos &&
                      runs[v].failure.starts_with(fmt::format("rank {}:", variants[v].world - 1));
    if (!told) {
      fail(subject, variants[v], "an exception of the model got lost", expected,
           runs[v].failure.empty() ? "a run without an error" : runs[v].failure);
    }
    const double seconds = runs[v].report.at("seconds").get<double>();
    if (seconds >= kTimeout) {
      fail(subject, variants[v], "the other ranks did not end with the one that threw",
           "an end at once", fmt::format("{:.0f} s: a time-out", seconds));
    }
    slowest = std::max(slowest, seconds);
  }
  return fmt::format("{} failures, ended in {:.1f} s or less", variants.size(), slowest);
}

std::string check_kill(const Subject& subject) {
  const int world = std::ranges::max(worlds_of(subject));
  Bench bench(subject, "tiny");
  double slowest = 0;
  for (const char* fault : {"kill", "kill in backward"}) {
    const Variant variant = with_fault(fault, world);
    const Bench::Launched run = bench.launch(variant, "prove");
    if (!run.ending.failure) fail(subject, variant, "the run went on without a rank");
    const std::string& reason = run.ending.failure->reason;
    if (reason.find("SIGKILL") == std::string::npos) {
      fail(subject, variant, "the run ended for another reason", "was killed by SIGKILL", reason);
    }
    if (run.seconds >= kTimeout) {
      fail(subject, variant, "the other ranks did not end with the one that was killed",
           "an end at once", fmt::format("{:.0f} s", run.seconds));
    }
    slowest = std::max(slowest, run.seconds);
  }
  return fmt::format("ended in {:.1f} s or less", slowest);
}

}  // namespace

std::vector<Check> failure_checks(const Subject& subject) {
  const std::string base = base_of(subject);
  return {{"failure.throw", "an exception on one rank ends all", check_throw, {base}},
          {"failure.kill", "a killed rank ends all", check_kill, {base}}};
}

}  // namespace trainhost::conformance
