// Whether memory, descriptors and threads come to rest.
#include <fmt/format.h>

#include <algorithm>

#include "host/conformance/bench.h"
#include "host/conformance/groups.h"

namespace trainhost::conformance {
namespace {

using Json = nlohmann::json;

/// What may grow from one half to the other: a log, a cache of LibTorch's.
struct Allowance {
  std::int64_t heap, resident;
};

std::int64_t least(const Json& usages, std::size_t begin, std::size_t end, const char* what) {
  std::int64_t out = usages.at(begin).at(what).get<std::int64_t>();
  for (std::size_t u = begin; u < end; ++u) {
    out = std::min(out, usages.at(u).at(what).get<std::int64_t>());
  }
  return out;
}

/// Compares the second quarter with the last: what is least there is what is never given back.
std::string require_rest(const Subject& subject, const Variant& variant, const Json& usages,
                         const std::string& unit, const Allowance& allowed) {
  const std::size_t count = usages.size(), quarter = count / 4;
  if (quarter < 2) fail(subject, variant, fmt::format("only {} {}s ran", count, unit));
  const double passed = static_cast<double>(count - 2 * quarter);
  std::string out;
  for (const auto& [what, most] : {std::pair{"heap", allowed.heap},
                                   {"resident", allowed.resident},
                                   {"mappings", std::int64_t{0}},
                                   {"descriptors", std::int64_t{0}},
                                   {"threads", std::int64_t{0}}}) {
    const std::int64_t growth =
        least(usages, count - quarter, count, what) - least(usages, quarter, 2 * quarter, what);
    if (growth > most) {
      fail(subject, variant, fmt::format("the process grows with each {}: {}", unit, what),
           fmt::format("at most {} more in {} {}s", most, count - 2 * quarter, unit),
           fmt::format("{} more, {:.0f} for each", growth, static_cast<double>(growth) / passed));
    }
    if (std::string_view(what) == "heap")
      out = fmt::format("{} {}s, heap {:+} bytes", count, unit, growth);
  }
  return out;
}

int some_world(const Subject& subject) { return worlds_above_one(subject).front(); }

std::string check_steps(const Subject& subject) {
  Variant variant{.label = "many steps", .world = some_world(subject)};
  variant.watch_usage = true;
  variant.overrides = {"numerics=fast", "model.rows=1200"};
  Bench bench(subject, "tiny");
  const auto runs = bench.run({variant});
  require_done(subject, variant, runs.front());
  return require_rest(subject, variant, runs.front().report.at("usage_of_steps"), "step",
                      {.heap = 16 << 10, .resident = 2 << 20});
}

std::string check_sessions(const Subject& subject) {
  constexpr std::size_t kSessions = 24;
  Variant variant{.label = "many sessions", .world = some_world(subject)};
  variant.overrides = {"model.rows=24", "model.held_out=4"};
  Bench bench(subject, "transformer");
  const auto runs = bench.run(std::vector<Variant>(kSessions, variant));
  Json usages = Json::array();
  for (const RunResult& run : runs) {
    require_done(subject, variant, run);
    usages.push_back(run.report.at("usage"));
  }
  return require_rest(subject, variant, usages, "session", {.heap = 64 << 10, .resident = 4 << 20});
}

}  // namespace

std::vector<Check> leak_checks(const Subject& subject) {
  const std::string base = base_of(subject);
  return {{"leaks.steps", "a hundred steps grow nothing", check_steps, {base}},
          {"leaks.sessions", "sessions give back what they took", check_sessions, {base}}};
}

}  // namespace trainhost::conformance
