// Whether a model keeps what model.h and batch.h promise.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "host/conformance/bench.h"
#include "host/conformance/groups.h"
#include "host/conformance/model_use.h"

namespace trainhost::conformance {
namespace {

using Json = nlohmann::json;
using Split = std::vector<std::vector<int>>;

constexpr double kTolerance = 1e-5;

/// The rows of a step are given out by the trial, so a batch need not divide.
const std::vector<std::string> kRecipe{"scaling.batch=per_rank", "train.epochs=1"};

bool is_near(double a, double b) {
  return std::abs(a - b) <= kTolerance * std::max({std::abs(a), std::abs(b), 1e-30});
}

RunResult declared(const Subject& subject, const std::vector<std::string>& overrides) {
  Bench bench(subject, subject.file, kRecipe);
  Variant variant{.label = "declaration", .world = 1};
  variant.kind = "declare";
  variant.overrides = overrides;
  RunResult run = bench.run({variant}).front();
  require_done(subject, variant, run);
  return run;
}

std::string check_declare(const Subject& subject) {
  const Json said = declared(subject, {}).report.at("said").at(0);
  const auto allocated = said.at("allocated").get<std::int64_t>();
  const auto bytes = said.at("bytes").get<std::int64_t>();
  const std::int64_t most = std::max<std::int64_t>(64 << 10, bytes / 20);
  if (allocated > most) {
    throw Error(Failure::kPlugin,
                {.where = subject.file,
                 .what = "declare() allocates tensors; parameters are the strategy's to allocate",
                 .expected = fmt::format("at most {} bytes", most),
                 .got = fmt::format("{} bytes, of {} that all parameters take", allocated, bytes)});
  }
  return fmt::format("{} parameters, {} bytes allocated", said.at("parameters").get<std::int64_t>(),
                     allocated);
}

std::string check_options(const Subject& subject) {
  const std::vector<std::string> words = defaults_as_words(subject.info());
  declared(subject, words);
  return fmt::format("{} defaults", words.size());
}

Variant loss_of(const std::string& label, int world, Split split) {
  Variant out{.label = label, .world = world};
  out.kind = "loss";
  // So many rows as one rank has by the recipe, whatever the world.
  out.overrides = {"scaling.batch=global", "train.batch=24"};
  out.split = std::move(split);
  return out;
}

/// All ranks alike; `uneven`: the first one has all but a few, the last one none.
Split ranks_split(int world, bool uneven) {
  std::vector<int> shares(static_cast<std::size_t>(world), 1);
  if (uneven && world > 1) {
    shares.front() = 5;
    shares.back() = 0;
  }
  return {shares};
}

double mean_of(const Json& loss) {
  return loss.at("sum").get<double>() / loss.at("weight").get<double>();
}

void compare_losses(const Subject& subject, const Variant& variant, const RunResult& reference,
                    const RunResult& run) {
  const Json& expected = reference.report.at("said").at(0);
  const Json& got = run.report.at("said").at(0);
  for (std::size_t o = 0; o < expected.size(); ++o) {
    const std::string name = expected.at(o).at("objective").get<std::string>();
    const double was = mean_of(expected.at(o)), is = mean_of(got.at(o));
    if (is_near(is, was)) continue;
    fail(subject, variant, "the same rows of objective '" + name + "' have another loss",
         fmt::format("{:.9g}, as on one rank (sum / weight, to {})", was, kTolerance),
         fmt::format("{:.9g} ({:.9g} / {:.9g})", is, got.at(o).at("sum").get<double>(),
                     got.at(o).at("weight").get<double>()));
  }
}

std::string check_zero_rows(const Subject& subject) {
  Bench bench(subject, subject.file, kRecipe);
  std::vector<Variant> variants;
  for (const int world : worlds_above_one(subject)) {
    std::vector<int> shares(static_cast<std::size_t>(world), 0);
    shares.front() = 1;
    variants.push_back(loss_of("all rows on rank 0", world, {shares}));
  }
  const auto runs = bench.run(variants);
  for (std::size_t v = 0; v < variants.size(); ++v) {
    const std::string disorder = runs[v].report.value("disorder", std::string());
    if (!disorder.empty()) {
      fail(subject, variants[v], "a rank without rows calls other collectives: " + disorder,
           "the same in the same order");
    }
    require_done(subject, variants[v], runs[v]);
    const std::string units = runs[v].report.at("unit_disorder").get<std::string>();
    if (!units.empty()) {
      fail(subject, variants[v], "a rank without rows runs other units: " + units,
           "the same in the same order");
    }
    const Json& said = runs[v].report.at("said");
    for (std::size_t rank = 1; rank < said.size(); ++rank) {
      for (const Json& objective : said.at(rank)) {
        if (objective.at("own_weights").at(0) == 0.0) continue;
        fail(subject, variants[v],
             fmt::format("a rank without rows has a weight (rank {}, objective '{}')", rank,
                         objective.at("objective").get<std::string>()),
             "0", objective.at("own_weights").at(0).dump());
      }
    }
  }
  return fmt::format("{} worlds", variants.size());
}

std::string check_split(const Subject& subject) {
  Bench bench(subject, subject.file, kRecipe);
  std::vector<Variant> variants{loss_of("one rank", 1, {{1}})};
  for (const int world : worlds_above_one(subject)) {
    variants.push_back(loss_of("even split", world, ranks_split(world, false)));
    variants.push_back(loss_of("uneven split", world, ranks_split(world, true)));
  }
  const auto runs = bench.run(variants);
  for (std::size_t v = 0; v < variants.size(); ++v) require_done(subject, variants[v], runs[v]);
  for (std::size_t v = 1; v < variants.size(); ++v) {
    compare_losses(subject, variants[v], runs[0], runs[v]);
  }
  return fmt::format("{} splits", variants.size() - 1);
}

std::string check_micro_batches(const Subject& subject) {
  Bench bench(subject, subject.file, kRecipe);
  const std::vector<Variant> variants{loss_of("two ranks", 2, {{1, 1}}),
                                      loss_of("one rank", 1, {{1}}),
                                      loss_of("two micro-batches", 1, {{1}, {1}}),
                                      loss_of("three uneven micro-batches", 1, {{1}, {4}, {0}})};
  const auto runs = bench.run(variants);
  for (std::size_t v = 0; v < variants.size(); ++v) require_done(subject, variants[v], runs[v]);
  // The trial itself adds up the ranks' sums, once for each objective.
  const auto own = static_cast<std::int64_t>(runs[0].report.at("said").at(0).size());
  if (runs[0].report.at("model_operations").get<std::int64_t>() > own) {
    throw CheckSkipped{
        "its loss has collectives, so it looks at all rows of a micro-batch: with "
        "other micro-batches it is another loss"};
  }
  compare_losses(subject, variants[2], runs[1], runs[2]);
  compare_losses(subject, variants[3], runs[1], runs[3]);
  return "1, 2 and 3 micro-batches";
}

std::string check_evaluation(const Subject& subject) {
  Bench bench(subject, subject.file, kRecipe);
  std::vector<Variant> variants;
  for (const int world : worlds_of(subject)) {
    variants.push_back({.label = "evaluation", .world = world});
    variants.back().kind = "evaluate";
  }
  const auto runs = bench.run(variants);
  for (std::size_t v = 0; v < variants.size(); ++v) require_done(subject, variants[v], runs[v]);
  const Json expected = runs.front().report.at("said").at(0).at("metrics");
  for (std::size_t v = 0; v < variants.size(); ++v) {
    const Json& said = runs[v].report.at("said");
    for (std::size_t rank = 0; rank < said.size(); ++rank) {
      for (const auto& [name, value] : expected.items()) {
        const Json& got = said.at(rank).at("metrics").value(name, Json());
        if (got == value || (got.is_number() && is_near(got.get<double>(), value.get<double>()))) {
          continue;
        }
        fail(subject, variants[v], fmt::format("metric '{}' is another on rank {}", name, rank),
             fmt::format("{}, as with {} rank(s)", value.dump(), variants.front().world),
             got.dump());
      }
    }
  }
  return fmt::format("{} metrics in {} worlds", expected.size(), variants.size());
}

/// Trained in one go, and stopped and resumed.
std::string check_resume(const Subject& subject) {
  const int world = worlds_above_one(subject).front();
  Bench bench(subject, subject.file, kRecipe);
  const auto part = [&](const std::string& label, int steps, const std::string& resume) {
    Variant out{.label = label, .world = world};
    out.kind = "train";
    out.overrides = {"train.epochs=2", fmt::format("train.max_steps={}", steps)};
    out.directory = bench.folder() + "/" + std::to_string(steps) + (resume.empty() ? "" : "-on");
    out.resume = resume;
    std::filesystem::create_directories(out.directory + "/checkpoints");
    return out;
  };
  constexpr int kSteps = 5, kHalf = 3;
  const Variant whole = part("uninterrupted", kSteps, ""), half = part("stopped", kHalf, "");
  const auto first = bench.run({whole, half});
  require_done(subject, whole, first[0]);
  require_done(subject, half, first[1]);
  const std::string checkpoint = half.directory + "/checkpoints/step-" + std::to_string(kHalf);
  const Variant rest = part("resumed after 3 steps", kSteps, checkpoint);
  const auto resumed = bench.run({rest});
  require_done(subject, rest, resumed.front());
  if (const auto difference = cli::first_difference(first[0].state, resumed.front().state)) {
    fail(subject, rest, difference->text, "the bits of the run that was not interrupted");
  }
  return fmt::format("{} of {} steps, {} ranks", kHalf, kSteps, world);
}

}  // namespace

std::vector<Check> model_checks(const Subject& subject) {
  const std::string declare = "model.declare", zero = "model.zero-rows";
  std::vector<Check> out{
      {declare,
       "declares without allocating; first values are each one's own",
       check_declare,
       {},
       true},
      {"model.options", "every option takes its default", check_options, {declare}, true},
      {zero,
       "no rows: no weight, the same units and collectives",
       check_zero_rows,
       {declare},
       true},
      {"model.split", "the same loss however ranks share the rows", check_split, {declare, zero}},
      {"model.micro-batches",
       "the same loss in several micro-batches",
       check_micro_batches,
       {declare, "model.split"}},
      {"model.evaluation", "the same metrics in every world", check_evaluation, {declare}},
      {"model.resume", "stopped and resumed: the same bits", check_resume, {declare}}};
  for (Check& check : use_checks(subject)) {
    check.needs = {declare};
    out.push_back(std::move(check));
  }
  return out;
}

}  // namespace trainhost::conformance
