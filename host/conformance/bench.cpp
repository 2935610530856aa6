#include "host/conformance/bench.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "host/cli/installed_files.h"
#include "host/cli/memory_file.h"
#include "host/launch/launch.h"
#include "host/recipe/recipe.h"
#include "host/recipe/text.h"
#include "trainhost/error.h"

namespace trainhost::conformance {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kGraceSeconds = 2;

/// Takes apart what a process of several runs says.
class RunsAudience : public launch::Audience {
 public:
  explicit RunsAudience(std::vector<RunResult>& results) : results_(results) {}

  void event(int, const telemetry::Event& event) override {
    if (now_ >= results_.size()) return;
    RunResult& result = results_[now_];
    if (const auto* state = std::get_if<telemetry::State>(&event)) result.state.add(*state);
    const auto* summary = std::get_if<telemetry::Summary>(&event);
    if (summary == nullptr) return;
    auto json = nlohmann::json::parse(summary->json, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object() || !json.contains("run")) return;
    result.failure = json.at("failure").get<std::string>();
    if (!result.failure.empty()) {
      result.failure = "rank " + std::to_string(json.at("rank").get<int>()) + ": " + result.failure;
    }
    result.report = std::move(json);
    ++now_;
  }
  void output(int, std::string_view) override {}
  void notice(std::string_view) override {}
  void detail(std::string_view) override {}
  void tick(bool) override {}

 private:
  std::vector<RunResult>& results_;
  std::size_t now_ = 0;
};

struct SummaryAudience : public launch::Audience {
  void event(int, const telemetry::Event& event) override {
    const auto* summary = std::get_if<telemetry::Summary>(&event);
    if (summary == nullptr) return;
    said[summary->rank] = nlohmann::json::parse(summary->json, nullptr, false);
  }
  void output(int, std::string_view) override {}
  void notice(std::string_view) override {}
  void detail(std::string_view) override {}
  void tick(bool) override {}

  std::map<int, nlohmann::json> said;
};

class StateAudience : public launch::Audience {
 public:
  StateAudience(cli::ProvedRun& run, bool& stood_in) : run_(run), stood_in_(stood_in) {}
  void event(int, const telemetry::Event& event) override {
    if (const auto* state = std::get_if<telemetry::State>(&event)) run_.add(*state);
    if (std::holds_alternative<telemetry::StandIn>(event)) stood_in_ = true;
  }
  void output(int, std::string_view) override {}
  void notice(std::string_view) override {}
  void detail(std::string_view) override {}
  void tick(bool) override {}

 private:
  cli::ProvedRun& run_;
  bool& stood_in_;
};

std::string model_file(const std::string& model) {
  if (model.find('/') != std::string::npos) return model;
  const std::string file = cli::check_models_folder() + "/" + model + ".so";
  std::error_code ignored;
  if (std::filesystem::exists(file, ignored)) return file;
  throw Error(Failure::kRun, {.where = file,
                              .what = "the model that checks are made with is missing",
                              .fix = "build or install trainhost again"});
}

plugins::SearchPath search_path(const Subject& subject) {
  std::vector<std::string> files{subject.file};
  if (recipe::is_plugin_path(subject.settings.device)) files.push_back(subject.settings.device);
  return plugins::SearchPath::standard(files);
}

std::string device_kind(const Subject& subject, plugins::Catalog& catalog) {
  if (subject.info().kind == plugins::Kind::kDevice) return subject.info().id;
  const std::string& device = subject.settings.device;
  if (!recipe::is_plugin_path(device)) return device;
  return catalog.find(plugins::Kind::kDevice, device, "--device")->id;
}

}  // namespace

Bench::Bench(const Subject& subject, const std::string& model, std::vector<std::string> recipe)
    : subject_(subject),
      model_(model_file(model)),
      words_(std::move(recipe)),
      catalog_(search_path(subject)),
      device_(device_kind(subject, catalog_)) {
  std::string pattern =
      (std::filesystem::temp_directory_path() / "trainhost-check-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) {
    throw Error(Failure::kRun, {.where = pattern, .what = "cannot make a folder"});
  }
  folder_ = pattern;
}

Bench::~Bench() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::string Bench::source(const Variant& variant) const {
  const bool is_strategy = subject_.info().kind == plugins::Kind::kStrategy;
  std::string strategy = "\"ddp\"";
  if (variant.reference) {
    strategy = "{ \"single\", virtual_ranks = " + std::to_string(variant.world) + " }";
  } else if (is_strategy) {
    const std::string& option = subject_.info().ranks_option;
    strategy = "{ " + recipe::lua_text(subject_.file) +
               (option.empty() ? "" : ", " + option + " = " + std::to_string(variant.world)) + " }";
  }
  return "local scale = require \"trainhost.scale\"\n"
         "return {\n"
         "  name = \"check-plugin\",\n"
         "  model = { " +
         recipe::lua_text(model_) +
         " },\n"
         "  devices = { " +
         recipe::lua_text(device_) +
         ", count = 1 },\n"
         "  strategy = " +
         strategy +
         ",\n"
         "  optimizer = { \"adamw\", lr = 1e-2, weight_decay = 0.1 },\n"
         "  numerics = \"exact\",\n"
         "  train = { epochs = 1, batch = 12, seed = " +
         std::to_string(subject_.settings.seed) +
         ", threads = 1, timeout = 30, eval_every = 0, checkpoint_every = 0 },\n"
         "  scaling = { batch = scale.global },\n"
         "}\n";
}

std::vector<std::string> Bench::overrides_for(const Variant& variant) const {
  std::vector<std::string> out = words_;
  out.insert(out.end(), variant.overrides.begin(), variant.overrides.end());
  for (const std::string& word : subject_.settings.overrides) {
    // The reference has options of its own.
    if (word.starts_with("predict.")) continue;
    if (!variant.reference || !word.starts_with("strategy")) out.push_back(word);
  }
  return out;
}

/// Several ranks share it.
bool Bench::needs_one_device(const Variant& variant) const {
  return variant.reference || !subject_.info().ranks_option.empty();
}

recipe::Recipe Bench::recipe(const Variant& variant) {
  return recipe::Recipe::from_source(source(variant), folder_ + "/check.lua",
                                     overrides_for(variant), cli::plugin_lookup(catalog_));
}

cli::PreparedRun Bench::prepare(const Variant& variant, int devices) {
  const recipe::Recipe recipe = this->recipe(variant);
  recipe::RunPlan base = recipe.base();
  base.devices.count = devices;
  cli::PreparedRun run = cli::place_run(base, catalog_);
  recipe::World world = cli::world_of(run);
  world.ranks = variant.world;
  cli::finish_plan(run, recipe.resolve(world), catalog_);
  return run;
}

std::vector<RunResult> Bench::run(const std::vector<Variant>& variants) {
  Json runs = Json::array();
  std::optional<cli::PreparedRun> first;
  int most = 1;
  std::vector<RunResult> results;
  for (const Variant& variant : variants) {
    cli::PreparedRun prepared = prepare(variant, 1);
    most = std::max(most, variant.world);
    runs.push_back({{"kind", variant.kind},
                    {"plan", Json::parse(recipe::plan_to_json(prepared.plan))},
                    {"steps", variant.steps},
                    {"resume", variant.resume},
                    {"directory", variant.directory},
                    {"split", variant.split},
                    {"watch_usage", variant.watch_usage}});
    results.emplace_back(variant.reference ? "single" : subject_.info().id);
    if (!first) first = std::move(prepared);
  }
  const cli::MemoryFile plan("plan.json", recipe::plan_to_json(first->plan));
  const cli::MemoryFile job("job.json", Json{{"runs", runs}}.dump());
  launch::LaunchOptions options;
  options.rank_program = cli::rank_program();
  options.library_path = first->libtorch.library_path;
  options.plan_file = plan.path();
  options.job = "conform";
  options.job_file = job.path();
  options.devices = {std::vector<int>(static_cast<std::size_t>(most), 0)};
  RunsAudience audience(results);
  const launch::Ending ending = launch::launch(options, audience);
  if (ending.failure) throw CheckCrashed{ending.failure->reason + ", " + ending.failure->place};
  return results;
}

Bench::Answered Bench::ask(const Variant& variant, const std::string& job, const std::string& text,
                           int processes) {
  const cli::PreparedRun prepared = prepare(variant, 1);
  const cli::MemoryFile plan("plan.json", recipe::plan_to_json(prepared.plan));
  const cli::MemoryFile file("job.json", text);
  launch::LaunchOptions options;
  options.rank_program = cli::rank_program();
  options.library_path = prepared.libtorch.library_path;
  options.plan_file = plan.path();
  options.job = job;
  options.job_file = file.path();
  options.devices.assign(static_cast<std::size_t>(processes), {0});
  SummaryAudience audience;
  Answered out{launch::launch(options, audience), {}};
  for (const auto& [rank, json] : audience.said) out.said.push_back(json);
  return out;
}

Bench::Launched Bench::launch(const Variant& variant, const std::string& job) {
  const cli::PreparedRun prepared = prepare(variant, needs_one_device(variant) ? 1 : variant.world);
  const cli::MemoryFile plan("plan.json", recipe::plan_to_json(prepared.plan));
  const cli::MemoryFile file("job.json", Json{{"steps", variant.steps}}.dump());
  launch::LaunchOptions options;
  options.rank_program = cli::rank_program();
  options.library_path = prepared.libtorch.library_path;
  options.plan_file = plan.path();
  options.run_directory = variant.directory;
  options.resume = variant.resume;
  options.job = job;
  options.job_file = file.path();
  options.devices = cli::rank_devices(prepared);
  options.limits.stopped_seconds = prepared.plan.train.timeout;
  options.limits.grace_seconds = kGraceSeconds;
  Launched out{cli::ProvedRun(prepared.plan.strategy.id), {}, 0, false};
  StateAudience audience(out.state, out.stood_in);
  const auto start = std::chrono::steady_clock::now();
  out.ending = launch::launch(options, audience);
  out.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return out;
}

std::string place_text(const Subject& subject, const Variant& variant) {
  return (variant.label.empty() ? "" : variant.label + ", ") + "world " +
         std::to_string(variant.world) + ", seed " + std::to_string(subject.settings.seed);
}

void fail(const Subject& subject, const Variant& variant, const std::string& what,
          const std::string& expected, const std::string& got) {
  throw Error(Failure::kPlugin, {.where = subject.file,
                                 .what = place_text(subject, variant) + ": " + what,
                                 .expected = expected,
                                 .got = got});
}

void require_done(const Subject& subject, const Variant& variant, const RunResult& run) {
  if (!run.failure.empty()) fail(subject, variant, "the run failed", "", run.failure);
}

std::vector<int> worlds_of(const Subject& subject) { return subject.settings.worlds; }

std::vector<int> worlds_above_one(const Subject& subject) {
  std::vector<int> out = subject.settings.worlds;
  std::erase(out, 1);
  if (out.empty()) throw CheckSkipped{"--worlds has no world above 1"};
  return out;
}

}  // namespace trainhost::conformance
