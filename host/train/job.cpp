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

Job::Use use_from(const nlohmann::ordered_json& json) {
  Job::Use out;
  out.source = json.at("source").get<std::string>();
  out.target = json.at("target").get<std::string>();
  out.stream = json.at("stream").get<bool>();
  out.stand_in_allowed = json.at("stand_in_allowed").get<bool>();
  out.options = json.at("options").get<std::map<std::string, std::string>>();
  out.facts = json.at("facts").dump();
  return out;
}

}  // namespace

Job Job::from(const launch::RankEnvironment& environment) {
  if (environment.job == "train") return {};
  static const std::map<std::string, Kind> kKinds = {
      {"prove", Kind::kProve}, {"predict", Kind::kPredict}, {"export", Kind::kExport}};
  const auto kind = kKinds.find(environment.job);
  if (kind == kKinds.end()) refuse("TRAINHOST_JOB", "unknown job '" + environment.job + "'");
  const std::string text = checkpoint::read_text_file(environment.job_file, kMaxJobFile);
  const auto json = nlohmann::ordered_json::parse(text, nullptr, /*allow_exceptions=*/false);
  Job out;
  out.kind = kind->second;
  try {
    if (out.kind == Kind::kProve) {
      out.prove_steps = json.at("steps").get<std::int64_t>();
    } else {
      out.use = use_from(json);
    }
  } catch (const nlohmann::ordered_json::exception&) {
    refuse(environment.job_file, "the job of kind '" + environment.job + "' is not whole");
  }
  return out;
}

}  // namespace trainhost::train
