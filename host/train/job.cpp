#include "host/train/job.h"

#include <nlohmann/json.hpp>

#include "trainhost/error.h"
#include "trainhost/files.h"

namespace trainhost::train {
namespace {

constexpr std::int64_t kMaxJobFile = std::int64_t{16} << 20;

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

std::vector<recipe::RunPlan> plans_from(const nlohmann::ordered_json& json,
                                        const std::string& file) {
  std::vector<recipe::RunPlan> out;
  for (const auto& plan : json.at("plans")) {
    out.push_back(recipe::plan_from_json(plan.dump(), file));
  }
  return out;
}

Job::Probe probe_from(const nlohmann::ordered_json& json) {
  return {.warmup = json.at("warmup").get<std::int64_t>(),
          .steps = json.at("steps").get<std::int64_t>(),
          .alone = json.at("alone").get<bool>()};
}

ConformRun::Kind conform_kind(const std::string& name) {
  using Kind = ConformRun::Kind;
  static const std::map<std::string, Kind> kKinds = {
      {"prove", Kind::kProve},     {"train", Kind::kTrain}, {"load", Kind::kLoad},
      {"declare", Kind::kDeclare}, {"loss", Kind::kLoss},   {"evaluate", Kind::kEvaluate}};
  const auto kind = kKinds.find(name);
  if (kind == kKinds.end()) refuse("job 'conform'", "unknown kind of run '" + name + "'");
  return kind->second;
}

std::vector<ConformRun> runs_from(const nlohmann::ordered_json& json, const std::string& file) {
  std::vector<ConformRun> out;
  for (const auto& run : json.at("runs")) {
    out.push_back({.kind = conform_kind(run.at("kind").get<std::string>()),
                   .plan = recipe::plan_from_json(run.at("plan").dump(), file),
                   .steps = run.at("steps").get<std::int64_t>(),
                   .resume = run.at("resume").get<std::string>(),
                   .directory = run.at("directory").get<std::string>(),
                   .split = run.at("split").get<std::vector<std::vector<int>>>(),
                   .watch_usage = run.at("watch_usage").get<bool>()});
  }
  return out;
}

}  // namespace

Job Job::from(const launch::RankEnvironment& environment) {
  if (environment.job == "train") return {};
  static const std::map<std::string, Kind> kKinds = {
      {"prove", Kind::kProve},       {"predict", Kind::kPredict}, {"export", Kind::kExport},
      {"describe", Kind::kDescribe}, {"probe", Kind::kProbe},     {"conform", Kind::kConform},
      {"device", Kind::kDevice}};
  const auto kind = kKinds.find(environment.job);
  if (kind == kKinds.end()) refuse("TRAINHOST_JOB", "unknown job '" + environment.job + "'");
  const std::string text = read_text_file(environment.job_file, kMaxJobFile);
  const auto json = nlohmann::ordered_json::parse(text, nullptr, /*allow_exceptions=*/false);
  Job out;
  out.kind = kind->second;
  try {
    switch (out.kind) {
      case Kind::kTrain:
        break;
      case Kind::kProve:
        out.prove_steps = json.at("steps").get<std::int64_t>();
        break;
      case Kind::kPredict:
      case Kind::kExport:
        out.use = use_from(json);
        break;
      case Kind::kDescribe:
        out.plans = plans_from(json, environment.job_file);
        break;
      case Kind::kProbe:
        out.probe = probe_from(json);
        break;
      case Kind::kConform:
        out.runs = runs_from(json, environment.job_file);
        break;
      case Kind::kDevice:
        out.device = {.trial = json.at("trial").get<std::string>(),
                      .local = json.at("local").get<bool>(),
                      .worlds = json.at("worlds").get<std::vector<int>>(),
                      .seed = json.at("seed").get<std::uint64_t>()};
        break;
    }
  } catch (const nlohmann::ordered_json::exception&) {
    refuse(environment.job_file, "the job of kind '" + environment.job + "' is not whole");
  }
  return out;
}

}  // namespace trainhost::train
