#include "host/plugins/check_result.h"

#include <exception>
#include <nlohmann/json.hpp>

#include "host/plugins/check.h"
#include "host/plugins/inspect.h"
#include "trainhost/error.h"

namespace trainhost::plugins {
namespace {

std::string render(Outcome outcome, const std::string& detail) {
  const nlohmann::json line{{"detail", detail}, {"outcome", outcome_name(outcome)}};
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

std::string result_line(const std::function<std::string()>& check) {
  try {
    return render(Outcome::kPass, check());
  } catch (const Error& error) {
    const std::string& fix = error.text().fix;
    return render(Outcome::kFail, one_line(error) + (fix.empty() ? "" : "; fix: " + fix));
  } catch (const std::exception& error) {
    return render(Outcome::kFail, error.what());
  }
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
