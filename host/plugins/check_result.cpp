#include "host/plugins/check_result.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <nlohmann/json.hpp>
#include <optional>

#include "host/plugins/inspect.h"
#include "trainhost/error.h"

namespace trainhost::plugins {
namespace {

constexpr Outcome kOutcomes[] = {Outcome::kPass, Outcome::kFail, Outcome::kSkip, Outcome::kCrash};

std::string render(Outcome outcome, const std::string& detail) {
  const nlohmann::json line{{"detail", detail}, {"outcome", outcome_name(outcome)}};
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::optional<ReadResult> parse(const std::string& output) {
  // What a plugin itself prints while it is loaded comes before the last line.
  const std::size_t start = output.rfind("{\"detail\"");
  const auto json =
      nlohmann::json::parse(output.substr(std::min(start, output.size())), nullptr, false);
  const bool good = json.is_object() && json.contains("outcome") && json.contains("detail") &&
                    json["outcome"].is_string() && json["detail"].is_string();
  if (!good) return std::nullopt;
  for (const Outcome outcome : kOutcomes) {
    if (json["outcome"] == outcome_name(outcome)) {
      return ReadResult{outcome, json["detail"].get<std::string>()};
    }
  }
  return std::nullopt;
}

}  // namespace

std::string result_line(const std::function<std::string()>& check) {
  try {
    return render(Outcome::kPass, check());
  } catch (const CheckSkipped& skipped) {
    return render(Outcome::kSkip, skipped.reason);
  } catch (const CheckCrashed& crashed) {
    return render(Outcome::kCrash, crashed.reason);
  } catch (const Error& error) {
    const std::string& fix = error.text().fix;
    return render(Outcome::kFail, one_line(error) + (fix.empty() ? "" : "; fix: " + fix));
  } catch (const std::exception& error) {
    return render(Outcome::kFail, error.what());
  }
}

ReadResult read_result(const ChildResult& child) {
  if (child.timed_out) return {Outcome::kCrash, "it did not end in time"};
  if (child.signal != 0) {
    return {Outcome::kCrash, std::string("ended by signal: ") + strsignal(child.signal)};
  }
  if (const auto said = parse(child.output)) return *said;
  return {Outcome::kCrash,
          "ended with exit code " + std::to_string(child.exit_code) + " and no result"};
}

const char* outcome_name(Outcome outcome) {
  switch (outcome) {
    case Outcome::kPass:
      return "pass";
    case Outcome::kFail:
      return "fail";
    case Outcome::kSkip:
      return "skip";
    case Outcome::kCrash:
      return "crash";
  }
  return "";
}

}  // namespace trainhost::plugins
