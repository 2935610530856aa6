#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <thread>

#include "host/cli/auto_batch.h"
#include "host/cli/commands.h"
#include "host/cli/installed_files.h"
#include "host/cli/memory_file.h"
#include "host/cli/prove_report.h"
#include "host/cli/resume_overrides.h"
#include "host/cli/run_audience.h"
#include "host/launch/launch.h"
#include "host/recipe/text.h"
#include "host/telemetry/text_layout.h"

namespace trainhost::cli {
namespace {

using launch::Ending;

/// Keeps the hashes; shows the user only what they must know.
class ProveAudience : public launch::Audience {
 public:
  ProveAudience(ProvedRun& run, std::string& stand_in) : run_(run), stand_in_(stand_in) {}

  void event(int rank, const telemetry::Event& event) override {
    if (const auto* state = std::get_if<telemetry::State>(&event)) run_.add(*state);
    if (const auto* text = std::get_if<telemetry::StandIn>(&event)) stand_in_ = text->text;
    const auto* log = std::get_if<telemetry::Log>(&event);
    if (log != nullptr && log->level == Host::Level::kWarning) output(rank, log->text);
  }
  void output(int rank, std::string_view line) override {
    fmt::print(stderr, "[{}, rank {}] {}\n", run_.label, rank, telemetry::printable(line));
  }
  void notice(std::string_view text) override { fmt::print(stderr, "{}\n", text); }
  void detail(std::string_view) override {}
  void tick(bool) override {}

 private:
  ProvedRun& run_;
  std::string& stand_in_;
};

/// A strategy as it will be run, and how many ranks share a device.
struct Candidate {
  std::string id, label;
  std::string written;  ///< for the override; "": the recipe's own choice
  bool virtual_ranks = false;
  bool recompute = false;  ///< with activation checkpointing of all units
};

void add_offloaded(std::vector<Candidate>& out) {
  out.push_back(
      {"zero1", "zero1 offload", "strategy={\"zero1\", offload_optimizer = true}", false});
  out.push_back(
      {"zero2", "zero2 offload", "strategy={\"zero2\", offload_optimizer = true}", false});
  out.push_back({"zero3", "zero3 offload",
                 "strategy={\"zero3\", resident_parameters = 0, offload_optimizer = true, "
                 "offload_parameters = true}",
                 false});
}

std::vector<Candidate> candidates(const recipe::RunPlan& base, const ProveArguments& arguments) {
  const std::int64_t world = arguments.world;
  std::vector<Candidate> out = {
      {"single", fmt::format("single, {} virtual rank{}", world, world == 1 ? "" : "s"),
       fmt::format("strategy={{\"single\", virtual_ranks = {}}}", world), true},
      {"ddp", "ddp", "strategy=ddp", false},
      {"dp", "dp", "strategy=dp", false},
      {"zero1", "zero1", "strategy=zero1", false},
      {"zero2", "zero2", "strategy=zero2", false},
      // Also small units are gathered.
      {"zero3", "zero3", "strategy={\"zero3\", resident_parameters = 0}", false}};
  if (!arguments.quick) add_offloaded(out);
  const auto own = std::ranges::find(out, base.strategy.id, &Candidate::id);
  if (own == out.end()) {
    out.push_back({base.strategy.id, base.strategy.id, "", false});
  } else if (!own->virtual_ranks) {
    own->written.clear();
  }
  const std::size_t plain = out.size();
  for (std::size_t c = 0; !arguments.quick && c < plain; ++c) {
    Candidate again = out[c];
    again.label += ", recomputed";
    again.recompute = true;
    out.push_back(std::move(again));
  }
  return out;
}

void require_exact(const recipe::RunPlan& base, plugins::Catalog& catalog) {
  const recipe::PluginChoice& strategy = base.strategy;
  const auto* info = catalog.find(plugins::Kind::kStrategy,
                                  strategy.written.empty() ? strategy.id : strategy.file);
  if (info == nullptr || info->exact) return;
  throw Error(
      Failure::kUser,
      {.where = strategy.options.position.text(),
       .what = "the strategy '" + strategy.id +
               "' cannot be proven: its note says \"exact\": false, so on several ranks its "
               "numbers are not those of one process",
       .fix = "prove another strategy (strategy=ddp); `trainhost check-plugin` tries what "
              "this one promises"});
}

class Prover {
 public:
  Prover(const ProveArguments& arguments, plugins::Catalog& catalog, const recipe::Recipe& recipe)
      : arguments_(arguments), catalog_(catalog), recipe_(recipe) {
    // The kind of device is the recipe's; their number is the command line's.
    const PreparedRun placed = place_run(recipe.base(), catalog);
    kind_ = placed.placement.device_kind;
    if (placed.foreign) {
      throw Error(Failure::kUser, {.where = "prove",
                                   .what = "starts its ranks by itself, but " +
                                           placed.foreign->launcher + " has started this process",
                                   .fix = "run it without a launcher, on one machine"});
    }
  }

  /// 0, or the exit code with which a strategy's run ended.
  int run(const Candidate& candidate) {
    const double began = steady_seconds();
    const PreparedRun prepared = prepare(candidate);
    ProvedRun& proved = runs_.emplace_back(prepared.plan.strategy.id, candidate.label);
    const MemoryFile plan("plan.json", recipe::plan_to_json(prepared.plan));
    const MemoryFile job("job.json", fmt::format("{{\"steps\": {}}}", arguments_.steps));
    launch::LaunchOptions options;
    options.rank_program = rank_program();
    options.library_path = prepared.libtorch.library_path;
    options.plan_file = plan.path();
    options.job = "prove";
    options.job_file = job.path();
    options.limits.stopped_seconds = prepared.plan.train.timeout;
    options.devices = rank_devices(prepared);
    ProveAudience audience(proved, stand_in_);
    const Ending ending = launch::launch(options, audience);
    proved.seconds = steady_seconds() - began;
    if (ending.failure) {
      fmt::print(stderr, "trainhost: error: {}: {}\n", candidate.label, ending.failure->text);
    } else if (ending.exit_code == 0) {
      fmt::print(stderr, "{}: {} places in {}\n", candidate.label, proved.places.size(),
                 telemetry::duration_text(proved.seconds));
    }
    return ending.exit_code;
  }

  const std::vector<ProvedRun>& runs() const { return runs_; }
  Compare compare() const { return arguments_.fast ? Compare::kClose : Compare::kBits; }

  ProveFacts facts() const {
    const recipe::RunPlan& base = recipe_.base();
    const auto& train = base.train;
    ProveFacts out;
    out.compare = compare();
    out.world = arguments_.world;
    out.steps = arguments_.steps;
    out.seed = train.seed;
    out.device = kind_;
    out.title = fmt::format("{}: {} rank{}, {} step{} of each objective and the end of the epoch",
                            base.recipe_file, out.world, out.world == 1 ? "" : "s", out.steps,
                            out.steps == 1 ? "" : "s");
    out.settings =
        fmt::format("{}, batch {} as written, accumulate {}, clip_norm {}, seed {}; {} {}, {} sums",
                    base.optimizer.name, train.batch, train.accumulate,
                    train.clip_norm > 0 ? fmt::format("{}", train.clip_norm) : "off", train.seed,
                    kind_, base.precision, arguments_.fast ? "fast" : "exact");
    if (!stand_in_.empty()) out.settings += "\nstand-in: " + stand_in_;
    return out;
  }

 private:
  PreparedRun prepare(const Candidate& candidate) {
    recipe::RunPlan base = recipe_.base();
    if (!candidate.written.empty()) change_strategy(base, {candidate.written}, catalog_);
    base.devices.kinds = {kind_};
    base.devices.indices.clear();
    base.devices.count = candidate.virtual_ranks ? 1 : arguments_.world;
    PreparedRun run = place_run(base, catalog_);
    recipe::RunPlan plan = recipe_.resolve(world_of(run));
    plan.strategy = base.strategy;
    plan.numerics = arguments_.fast ? "fast" : "exact";
    if (candidate.recompute) plan.train.recompute_every = 1;
    // Kernels may cut their work by the number of threads, which is to be the same in every run.
    if (plan.train.threads == 0) {
      plan.train.threads = std::max<std::int64_t>(
          1, std::thread::hardware_concurrency() / std::max<std::int64_t>(1, arguments_.world));
    }
    finish_plan(run, std::move(plan), catalog_);
    return run;
  }

  const ProveArguments& arguments_;
  plugins::Catalog& catalog_;
  const recipe::Recipe& recipe_;
  std::string kind_;
  std::vector<ProvedRun> runs_;
  std::string stand_in_;
};

}  // namespace

int prove_command(const ProveArguments& arguments) {
  plugins::Catalog catalog(plugins::SearchPath::standard(arguments.plugins));
  catalog.require_named_files();
  const auto [recipe, batch_note] =
      load_recipe(find_recipe(arguments.recipe), arguments.overrides, catalog);
  require_exact(recipe.base(), catalog);
  Prover prover(arguments, catalog, recipe);
  for (const Candidate& candidate : candidates(recipe.base(), arguments)) {
    const int code = prover.run(candidate);
    if (code != 0) return code;
  }
  const std::string text = arguments.json ? prove_json(prover.facts(), prover.runs())
                                          : prove_text(prover.facts(), prover.runs());
  std::fputs(text.c_str(), stdout);
  return all_equal(prover.runs(), prover.compare()) ? 0 : static_cast<int>(Failure::kRun);
}

}  // namespace trainhost::cli
