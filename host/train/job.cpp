#include "host/train/job.h"

#include <nlohmann/json.hpp>

#include "host/checkpoint/files.h"
#include "trainhost/error.h"

namespace trainhost::train {
namespace {

constexpr std::int64_t kMaxJobFile = std::int64_t{1} << 20;

[[noreturn]] void refuse(const std::string& where, const std::string& what) {
  throw Error(Failure::kUser,
              {.where = where,
               .what = what,
               .fix = "trainhost-rank is started by trainhost, of the same version"});
}

}  // namespace

Job Job::from(const launch::RankEnvironment& environment) {
  if (environment.job == "train") return {};
  if (environment.job != "prove") refuse("TRAINHOST_JOB", "unknown job '" + environment.job + "'");
  const std::string text = checkpoint::read_text_file(environment.job_file, kMaxJobFile);
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("steps") || !json["steps"].is_number_integer()) {
    refuse(environment.job_file, "the job says no number of steps");
  }
  return {Kind::kProve, json["steps"].get<std::int64_t>()};
}

}  // namespace trainhost::train
