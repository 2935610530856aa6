#include "host/cli/trained_run.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "host/checkpoint/best_folder.h"
#include "host/checkpoint/run_checkpoints.h"
#include "host/cli/commands.h"
#include "host/cli/earlier_run.h"
#include "host/cli/installed_files.h"
#include "host/cli/memory_file.h"
#include "host/cli/model_folder.h"
#include "host/cli/resume_overrides.h"
#include "host/cli/run_audience.h"
#include "host/launch/launch.h"
#include "trainhost/error.h"

namespace trainhost::cli {
namespace {

namespace fs = std::filesystem;
using launch::Ending;
using Json = nlohmann::ordered_json;

/// A run that was trained on stand-in data is used with them.
bool had_stand_in(const std::string& run_directory) {
  const Json json = Json::parse(read_file(run_directory + "/summary.json"), nullptr,
                                /*allow_exceptions=*/false);
  if (!json.is_object()) return false;
  const auto found = json.find("stand_in");
  return found != json.end() && found->is_string() && !found->get<std::string>().empty();
}

/// Paths given on the command line count from where the user is.
std::vector<std::string> from_here(std::vector<std::string> overrides) {
  for (std::string& word : overrides) {
    const std::size_t equals = word.find('=');
    const std::string value = word.substr(equals + 1);
    std::error_code ignored;
    if ((word.starts_with("data.") || word.starts_with("model.dir=")) &&
        fs::exists(value, ignored)) {
      word = word.substr(0, equals + 1) + fs::absolute(value).string();
    }
  }
  return overrides;
}

/// One rank of the kind of device that the run was placed on; or all devices, where the model
/// shares the work among them. On a CPU one rank has all cores, unless a number is asked for.
void place(recipe::RunPlan& plan, plugins::Catalog& catalog, bool share, bool asked,
           PreparedRun& run) {
  if (share) {
    change_strategy(plan, {"strategy=ddp"}, catalog);
    run = place_run(plan, catalog);
    share = run.placement.ranks() > 1 && (asked || run.placement.device_kind != "cpu");
  }
  if (!share) {
    change_strategy(plan, {"strategy=single"}, catalog);
    plan.devices.count = 1;
    if (plan.devices.indices.size() > 1) plan.devices.indices.resize(1);
    run = place_run(plan, catalog);
  }
  plan.ranks = run.placement.ranks();
  plan.nodes = 1;
  finish_plan(run, std::move(plan), catalog);
}

/// Takes precision=… out of the overrides: what a model was trained in is not what it answers in.
std::string take_precision(std::vector<std::string>& overrides) {
  const std::string key = "precision=";
  std::string out = "fp32";
  for (const std::string& word : overrides) {
    if (word.starts_with(key)) out = word.substr(key.size());
  }
  std::erase_if(overrides, [&](const std::string& word) { return word.starts_with(key); });
  if (out != "fp32" && out != "bf16" && out != "fp16") {
    throw Error(Failure::kUser, {.where = "command line",
                                 .what = "there is no such precision",
                                 .expected = "fp32, bf16 or fp16",
                                 .got = out});
  }
  return out;
}

bool names_devices(const std::vector<std::string>& overrides) {
  return std::ranges::any_of(overrides,
                             [](const std::string& word) { return word.starts_with("devices="); });
}

}  // namespace

TrainedRun::TrainedRun(const TrainedModel& wanted, Job job) {
  plugins::Catalog catalog(plugins::SearchPath::standard(wanted.plugins));
  catalog.require_named_files();
  const auto folder = plan_of_model_folder(wanted.run_directory, wanted.overrides, catalog);
  recipe::RunPlan plan = folder ? *folder : plan_of_run(wanted, catalog);
  const plugins::PluginInfo* model =
      catalog.find(plugins::Kind::kModel,
                   recipe::is_plugin_path(plan.model.written) ? plan.model.file : plan.model.id);
  const bool share = job == Job::kPredict && model != nullptr && model->predicts_on_all_ranks;
  place(plan, catalog, share, names_devices(wanted.overrides), run_);
}

recipe::RunPlan TrainedRun::plan_of_run(const TrainedModel& wanted, plugins::Catalog& catalog) {
  const telemetry::RunDirectory directory = telemetry::RunDirectory::open(wanted.run_directory);
  run_directory_ = directory.path();
  const std::string checkpoint = checkpoint_name(wanted.checkpoint);
  std::vector<std::string> overrides = from_here(wanted.overrides);
  const std::string precision = take_precision(overrides);
  recipe::RunPlan plan = apply_resume_overrides(
      recipe::plan_from_json(read_file(directory.plan_file()), directory.plan_file()), overrides);
  plan.precision = precision;
  choose_model(wanted, checkpoint);
  stand_in_allowed_ = had_stand_in(run_directory_);
  enter(plan.working_dir);
  find_plugin_again(plan.model, plugins::Kind::kModel, catalog);
  return plan;
}

void TrainedRun::choose_model(const TrainedModel& wanted, const std::string& checkpoint) {
  if (wanted.last || !checkpoint.empty()) {
    const auto chosen = checkpoint::choose(run_directory_, wanted.last ? "" : checkpoint);
    source_ = chosen.path;
    const auto& position = chosen.manifest.position;
    facts_ = Json{{"epoch", position.epoch},
                  {"step", position.total_steps()},
                  {"metrics", position.last_metrics}}
                 .dump();
    return;
  }
  source_ = checkpoint::best_of(run_directory_);
  if (!fs::exists(source_ + "/model.safetensors")) {
    throw Error(Failure::kUser,
                {.where = run_directory_,
                 .what = "the run has no best model yet: it is written at the first evaluation",
                 .fix = "take the newest checkpoint with --last, or train on: trainhost resume " +
                        run_directory_});
  }
  const Json json = Json::parse(read_file(source_ + "/metrics.json"), nullptr,
                                /*allow_exceptions=*/false);
  if (!json.is_object()) return;
  facts_ = Json{{"epoch", json.value("epoch", Json())},
                {"step", json.value("global_step", Json())},
                {"metrics", json.value("metrics", Json::object())}}
               .dump();
}

std::string TrainedRun::job_text(const Use& use) const {
  std::map<std::string, std::string> options;
  for (const std::string& word : use.options) {
    const std::size_t equals = word.find('=');
    options[word.substr(0, equals)] = word.substr(equals + 1);
  }
  return Json{{"source", source_},    {"target", use.target},
              {"stream", use.stream}, {"stand_in_allowed", stand_in_allowed_},
              {"options", options},   {"facts", Json::parse(use.facts)}}
      .dump();
}

int TrainedRun::use(const Use& use) const {
  const MemoryFile plan("plan.json", recipe::plan_to_json(run_.plan));
  const MemoryFile job("job.json", job_text(use));
  launch::LaunchOptions options;
  options.rank_program = rank_program();
  options.library_path = run_.libtorch.library_path;
  options.plan_file = plan.path();
  options.job = use.job;
  options.job_file = job.path();
  options.limits.stopped_seconds = run_.plan.train.timeout;
  options.devices = rank_devices(run_);
  telemetry::Console console(process_screen());
  for (const std::string& text : run_.placement.warnings) console.warning(text);
  if (run_.placement.reached_by_fallback) console.info(run_.placement.chain);
  telemetry::RunRecord record({});
  RunAudience audience(console, record, nullptr, nullptr);
  const Ending ending = launch::launch(options, audience);
  console.finish();
  if (ending.failure) console.error(ending.failure->text);
  if (ending.outcome == Ending::Outcome::kInterrupted) {
    console.info("interrupted; nothing was written");
  }
  return ending.exit_code;
}

}  // namespace trainhost::cli
