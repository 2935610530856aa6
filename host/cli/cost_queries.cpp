#include "host/cli/cost_queries.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "host/cli/installed_files.h"
#include "host/cli/rank_job.h"
#include "host/cli/resume_overrides.h"
#include "host/recipe/choices.h"

namespace trainhost::cli {
namespace {

using Json = nlohmann::ordered_json;
using plugins::Kind;

constexpr const char* kStrategies[] = {"single", "ddp", "dp", "zero1", "zero2", "zero3"};
constexpr std::int64_t kMostWarmup = 2;  // steps that are not timed

Claimed claimed_from(const Json& json) {
  Claimed out;
  if (json.contains("problem")) {
    out.problem = json["problem"].get<std::string>();
    return out;
  }
  out.parameters = json.at("parameters").get<std::int64_t>();
  out.buffers = json.at("buffers").get<std::int64_t>();
  out.gradients = json.at("gradients").get<std::int64_t>();
  out.optimizer = json.at("optimizer").get<std::int64_t>();
  out.transient = json.at("transient").get<std::int64_t>();
  out.padding = json.at("padding").get<std::int64_t>();
  out.host = json.at("host").get<std::int64_t>();
  out.sum = json.at("sum").get<std::int64_t>();
  out.traffic = json.at("traffic").get<std::vector<std::int64_t>>();
  return out;
}

/// A step is over when the last rank is, and memory is that of the rank with most; what is sent is
/// the mean of the ranks.
enum class Over { kMost, kMean };

/// What the ranks said of `value`, for each run of this objective and these numerics.
std::vector<double> said(const std::vector<Json>& ranks, const std::string& objective,
                         const std::string& numerics, const char* value, Over over = Over::kMost) {
  std::vector<double> most, sum;
  for (const Json& rank : ranks) {
    std::size_t at = 0;
    for (const Json& run : rank.at("runs")) {
      if (run.at("objective") != objective || run.at("numerics") != numerics) continue;
      most.resize(std::max(most.size(), at + 1));
      sum.resize(most.size());
      most[at] = std::max(most[at], run.at(value).get<double>());
      sum[at++] += run.at(value).get<double>();
    }
  }
  for (double& value_of_run : sum) value_of_run /= static_cast<double>(ranks.size());
  return over == Over::kMost ? most : sum;
}

/// The two batches that were probed.
std::vector<double> both(std::vector<double> values, const std::string& objective) {
  if (values.size() == 2) return values;
  throw Error(Failure::kRun, {.where = "probe, objective '" + objective + "'",
                              .what = "there were no steps to measure",
                              .fix = "the data must have a batch for each rank"});
}

Probed::Objective probed_objective(const std::vector<Json>& ranks, const std::string& name) {
  Probed::Objective out;
  const auto values = [&](const char* numerics, const char* value) {
    return both(said(ranks, name, numerics, value), name);
  };
  const auto exact_rows = values("exact", "rows");
  const auto held = values("exact", "held_bytes"), peak = values("exact", "peak_bytes");
  out.activations =
      line_through(exact_rows[0], peak[0] - held[0], exact_rows[1], peak[1] - held[1]);
  const auto rows = values("fast", "rows"), compute = values("fast", "compute_seconds");
  out.compute = line_through(rows[0], compute[0], rows[1], compute[1]);
  out.update_seconds = values("fast", "update_seconds")[1];
  return out;
}

/// Over the three operations at a bucket's size; the smaller ones show the latency, which is some
/// microseconds.
double rate_of(const std::vector<Json>& ranks) {
  std::int64_t largest = 0;
  double sent = 0, seconds = 0;
  for (const Json& rank : ranks) {
    if (!rank.contains("collectives")) return 0;
    for (const Json& call : rank.at("collectives")) {
      largest = std::max(largest, call.at("bytes").get<std::int64_t>());
    }
    for (const Json& call : rank.at("collectives")) {
      if (call.at("bytes") != largest) continue;
      sent += call.at("sent_bytes").get<double>();
      seconds += call.at("seconds").get<double>();
    }
  }
  return seconds > 0 ? sent / seconds : 0;
}

std::vector<Json> parsed(const std::vector<std::string>& texts, const std::string& who) {
  std::vector<Json> out;
  for (const std::string& text : texts) {
    out.push_back(Json::parse(text, nullptr, /*allow_exceptions=*/false));
    if (out.back().is_object() && out.back().contains("runs")) continue;
    throw Error(Failure::kRun, {.where = who, .what = "the ranks did not answer", .got = text});
  }
  return out;
}

std::string probe_job(bool alone, std::int64_t steps) {
  return Json{{"warmup", std::min(kMostWarmup, steps)}, {"steps", steps}, {"alone", alone}}.dump();
}

}  // namespace

CostQueries::CostQueries(const recipe::Recipe& recipe, const std::vector<std::int64_t>& worlds,
                         plugins::Catalog& catalog, Of of)
    : recipe_(recipe), worlds_(worlds), catalog_(catalog), of_(of), candidates_(candidates()) {
  try {
    const PreparedRun run = place_run(recipe.base(), catalog);
    device_ = run.placement.device_kind;
    if (!run.placement.available.devices.empty()) {
      device_bytes_ = run.placement.available.devices.front().memory_bytes;
    }
  } catch (const Error&) {
    // Not on this machine: claims hold anywhere.
    if (!recipe.base().devices.kinds.empty()) device_ = recipe.base().devices.kinds.front();
  }
}

CostQueries::Candidate CostQueries::candidate(const recipe::PluginChoice& choice, bool own) const {
  const plugins::PluginInfo* info =
      catalog_.find(Kind::kStrategy, choice.written.empty() ? choice.id : choice.file);
  Candidate out{choice, own, info != nullptr && info->ranks_are_threads, 0};
  if (info == nullptr || info->ranks_option.empty()) return out;
  const Value* ranks = choice.options.find(info->ranks_option);
  const auto* count = ranks == nullptr ? nullptr : std::get_if<std::int64_t>(&ranks->data);
  out.virtual_ranks = count == nullptr ? 1 : *count;
  return out;
}

std::vector<CostQueries::Candidate> CostQueries::candidates() const {
  const recipe::PluginChoice& own = recipe_.base().strategy;
  std::vector<Candidate> out;
  bool own_is_there = false;
  for (const char* id : kStrategies) {
    const bool is_own = own.id == id;
    own_is_there = own_is_there || is_own;
    try {
      if (catalog_.find(Kind::kStrategy, id) == nullptr) continue;
      recipe::RunPlan plan = recipe_.base();
      if (!is_own) change_strategy(plan, {std::string("strategy=") + id}, catalog_);
      out.push_back(candidate(plan.strategy, is_own));
    } catch (const Error&) {
      // Refused: `trainhost plugins` says why.
    }
  }
  if (!own_is_there) out.push_back(candidate(own, true));
  return out;
}

recipe::RunPlan CostQueries::plan_of(const Candidate& candidate, std::int64_t ranks) const {
  recipe::RunPlan plan = recipe_.resolve(
      {.ranks = ranks, .nodes = 1, .cpus = launch::usable_cores(), .device = device_});
  plan.strategy = candidate.choice;
  plan.device_kind = device_;
  return plan;
}

Costs CostQueries::claims() {
  Costs costs;
  costs.device = device_;
  costs.device_bytes = device_bytes_;
  costs.cores = launch::usable_cores();
  Json plans = Json::array();
  for (const std::int64_t ranks : worlds_) {
    WorldCost world{.ranks = ranks, .micro_batches = 1, .rows = {}, .strategies = {}};
    for (const Candidate& candidate : candidates_) {
      if (of_ == Of::kRecipes && !candidate.own) continue;
      if (candidate.virtual_ranks > 0 && candidate.virtual_ranks != ranks) continue;
      try {
        const recipe::RunPlan plan = plan_of(candidate, ranks);
        if (world.rows.empty()) {
          for (const auto& objective : plan.objectives) {
            world.rows.push_back(objective.batch_per_rank);
          }
          world.micro_batches = plan.train.accumulate;
        }
        plans.push_back(Json::parse(recipe::plan_to_json(plan)));
      } catch (const Error&) {
        continue;  // the plan's own column says why
      }
      StrategyCost& cost = world.strategies.emplace_back();
      cost.strategy = candidate.choice.id;
      cost.own = candidate.own;
      cost.threads = candidate.threads;
    }
    if (!world.strategies.empty()) costs.worlds.push_back(std::move(world));
  }
  if (plans.empty()) return costs;
  try {
    PreparedRun run;
    run.libtorch = launch::find_libtorch(launch::current_environment(), libtorch_records());
    run.placement.indices = {0};
    run.plan = plan_of(candidates_.front(), costs.worlds.front().ranks);
    run.plan.ranks = 1;
    const auto said = run_rank_job(run, {"describe", Json{{"plans", plans}}.dump(), "describe"});
    const Json json = said.empty() ? Json() : Json::parse(said.front(), nullptr, false);
    if (!json.is_object() || !json.contains("claims")) {
      throw Error(Failure::kRun, {.where = "describe", .what = "the rank program did not answer"});
    }
    costs.parameters = json.at("parameters").get<std::int64_t>();
    costs.allocated_bytes = json.at("allocated_bytes").get<std::int64_t>();
    costs.objectives = json.at("objectives").get<std::vector<std::string>>();
    std::size_t next = 0;
    for (WorldCost& world : costs.worlds) {
      for (StrategyCost& cost : world.strategies) {
        cost.claimed = claimed_from(json.at("claims").at(next++));
      }
    }
  } catch (const Error& error) {
    costs.problem = error.what();
  }
  return costs;
}

void CostQueries::require_cpu(const char* option) const {
  if (device_ == "cpu") return;
  throw Error(Failure::kUser, {.where = option,
                               .what = "measures CPUs, and the recipe runs on " + device_,
                               .fix = "add devices=cpu"});
}

PreparedRun CostQueries::prepared(const Candidate& candidate, std::int64_t ranks) const {
  recipe::RunPlan base = recipe_.base();
  base.strategy = candidate.choice;
  base.devices.kinds = {device_};
  base.devices.indices.clear();
  base.devices.count = candidate.virtual_ranks > 0 ? 1 : ranks;
  PreparedRun run = place_run(base, catalog_);
  if (run.foreign) {
    throw Error(Failure::kUser, {.where = "describe",
                                 .what = "starts its ranks by itself, but " +
                                         run.foreign->launcher + " has started this process",
                                 .fix = "run it without a launcher, on one machine"});
  }
  finish_plan(run, plan_of(candidate, ranks), catalog_);
  return run;
}

Probed CostQueries::probe_world(std::int64_t ranks, std::int64_t steps) const {
  const auto single =
      std::ranges::find(candidates_, "single", [](const Candidate& c) { return c.choice.id; });
  if (single == candidates_.end()) {
    throw Error(Failure::kPlugin,
                {.where = "--probe", .what = "the strategy 'single' is not installed"});
  }
  Candidate alone = *single;
  alone.virtual_ranks = 0;  // one in each of the processes
  recipe::entry(alone.choice.options, "virtual_ranks").data = std::int64_t{1};
  PreparedRun run = prepared(alone, ranks);
  run.ranks_are_threads = false;  // a process each, as the other strategies have
  const std::string label = fmt::format("probe, {} rank{}", ranks, ranks == 1 ? "" : "s");
  const std::vector<Json> said =
      parsed(run_rank_job(run, {"probe", probe_job(true, steps), label}), label);
  Probed out;
  out.ranks = ranks;
  for (const auto& objective : run.plan.objectives) {
    out.objectives.push_back(probed_objective(said, objective.name));
  }
  out.bytes_per_second = rate_of(said);
  std::int64_t before = 0;
  for (const Json& rank : said) {
    before += rank.at("pss_before").get<std::int64_t>();
    // What was freed stays with the process, so in the end it has what it had at most.
    std::int64_t tensors = 0;
    for (const Json& run : rank.at("runs")) {
      tensors = std::max(tensors, run.at("peak_bytes").get<std::int64_t>());
    }
    out.base_bytes = std::max({out.base_bytes, rank.at("pss_before").get<std::int64_t>(),
                               rank.at("pss_after").get<std::int64_t>() - tensors});
  }
  out.free_bytes = said.front().at("device_free").get<std::int64_t>();
  if (out.free_bytes >= 0) out.free_bytes += before;
  return out;
}

void CostQueries::probe(Costs& costs, std::int64_t steps) {
  require_cpu("--probe");
  std::set<std::int64_t> worlds;
  for (const WorldCost& world : costs.worlds) worlds.insert(std::min(world.ranks, costs.cores));
  for (const std::int64_t ranks : worlds) costs.probed[ranks] = probe_world(ranks, steps);
}

Measured CostQueries::measure_strategy(const Candidate& candidate, std::int64_t ranks,
                                       std::int64_t steps) const {
  const PreparedRun run = prepared(candidate, ranks);
  const std::string label =
      fmt::format("{}, {} rank{}", candidate.choice.id, ranks, ranks == 1 ? "" : "s");
  const std::vector<Json> said =
      parsed(run_rank_job(run, {"probe", probe_job(false, steps), label}), label);
  Measured out;
  const std::string& numerics = run.plan.numerics;
  const auto at = [&](const std::string& objective, const char* value, Over over = Over::kMost) {
    const auto values = cli::said(said, objective, numerics, value, over);
    return values.empty() ? 0.0 : values.front();
  };
  for (const auto& objective : run.plan.objectives) {
    out.objectives.push_back(
        {.step_seconds = at(objective.name, "step_seconds"),
         .peak_bytes = static_cast<std::int64_t>(at(objective.name, "peak_bytes")),
         .sent_bytes = static_cast<std::int64_t>(at(objective.name, "sent_bytes", Over::kMean))});
  }
  for (const Json& rank : said) {
    out.pss_bytes = std::max(out.pss_bytes, rank.at("pss_after").get<std::int64_t>());
  }
  return out;
}

void CostQueries::measure(Costs& costs, std::int64_t steps) {
  require_cpu("--measure");
  for (WorldCost& world : costs.worlds) {
    for (StrategyCost& cost : world.strategies) {
      if (!cost.claimed.problem.empty()) continue;
      const auto candidate = std::ranges::find(candidates_, cost.strategy,
                                               [](const Candidate& c) { return c.choice.id; });
      cost.measured = measure_strategy(*candidate, world.ranks, steps);
    }
  }
}

}  // namespace trainhost::cli
