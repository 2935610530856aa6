// Whether a strategy gives the numbers of one process.
#include <fmt/format.h>

#include <algorithm>

#include "host/conformance/bench.h"
#include "host/conformance/groups.h"

namespace trainhost::conformance {
namespace {

using Words = std::vector<std::string>;

/// A model and a recipe that ask one thing of a strategy.
struct Case {
  const char* name;
  const char* about;
  const char* model;
  std::vector<Words> variants;  ///< each a run of its own
};

/// Sizes and rows that 2, 3 and 4 divide, every parameter used, nothing tied.
const Words kPlain{"model.width=24",       "model.heads=4",     "model.feed_forward=48",
                   "model.vocabulary=48",  "model.tokens=12",   "model.classes=12",
                   "model.rows=48",        "model.held_out=12", "model.masked=0",
                   "model.adapter=always", "model.layers=2"};

const std::vector<Case>& cases() {
  static const std::vector<Case> kCases{
      {"indivisible",
       "sizes that no number of ranks divides",
       "transformer",
       {{"model.width=10", "model.heads=2", "model.feed_forward=22", "model.classes=7"}}},
      {"small",
       "parameters of fewer elements than ranks",
       "transformer",
       {{"model.width=1", "model.heads=1", "model.feed_forward=1", "model.classes=2"}}},
      {"unused",
       "parameters without a gradient, in some steps or on some ranks",
       "transformer",
       {{"model.adapter=odd"},
        {"model.adapter=tokens"},
        {"model.adapter=never"},
        {"model.adapter=absent"}}},
      {"tied", "a weight that two units use", "transformer", {{"model.masked=2"}}},
      {"uneven", "a last batch that leaves ranks without rows", "transformer", {{"model.rows=50"}}},
      {"accumulate",
       "several micro-batches a step",
       "transformer",
       {{"model.rows=72", "train.accumulate=3"}}},
      {"clip", "gradients clipped by their global norm", "transformer", {{"train.clip_norm=0.05"}}},
      {"objectives", "two objectives that share parameters", "tiny", {{"model.rows=36"}}},
      {"collectives",
       "collectives in the loss, and several backwards",
       "transformer",
       {{"model.task=contrastive"}, {"model.task=gradcache"}, {"model.sync=true"}}},
      {"recompute",
       "activation checkpointing",
       "transformer",
       {{"train.activation_checkpointing=all", "model.dropout=0.2"}}},
  };
  return kCases;
}

Words words_of(const Case& c, const Words& more) {
  Words out = std::string(c.model) == "transformer" ? kPlain : Words{};
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

/// Each variant under `single` and under the strategy; throws at the first difference.
std::string compare(const Subject& subject, const std::string& model,
                    const std::vector<Variant>& variants,
                    cli::Compare compare = cli::Compare::kBits) {
  Bench bench(subject, model);
  std::vector<Variant> all;
  for (const Variant& variant : variants) {
    all.push_back(variant);
    all.back().reference = true;
    all.push_back(variant);
  }
  const std::vector<RunResult> runs = bench.run(all);
  std::size_t tensors = 0;
  for (std::size_t v = 0; v < variants.size(); ++v) {
    const RunResult& reference = runs[2 * v];
    const RunResult& own = runs[2 * v + 1];
    require_done(subject, variants[v], reference);
    require_done(subject, variants[v], own);
    if (const auto difference = cli::first_difference(reference.state, own.state, compare)) {
      fail(subject, variants[v], difference->text,
           compare == cli::Compare::kBits
               ? fmt::format("the bits of `single` with {} virtual ranks", variants[v].world)
               : fmt::format("the numbers of `single` to {}", cli::kTolerance));
    }
    for (const auto& place : own.state.places) tensors = std::max(tensors, place.tensors.size());
  }
  return fmt::format("{} runs, {} tensors", variants.size(), tensors);
}

std::vector<Variant> over(const std::vector<int>& worlds, const std::vector<Words>& words,
                          const std::string& label) {
  std::vector<Variant> out;
  for (const int world : worlds) {
    for (const Words& word : words) {
      Variant variant{.label = label, .world = world};
      variant.overrides = word;
      out.push_back(std::move(variant));
    }
  }
  return out;
}

/// Skips with the note's reason where the strategy says that its numbers are its own.
CheckFunction for_exact(CheckFunction check) {
  return [check = std::move(check)](const Subject& subject) {
    if (!subject.info().exact) {
      throw CheckSkipped{
          "its note says \"exact\": false: on several ranks its numbers are not those "
          "of one process"};
    }
    return check(subject);
  };
}

std::string check_world_1(const Subject& subject) {
  Words uneven = words_of(cases().front(), {"model.rows=50"});
  const std::string first = compare(subject, "transformer", over({1}, {uneven}, "one rank"));
  compare(subject, "tiny", over({1}, {{}}, "one rank"));
  return first;
}

std::string check_ranks(const Subject& subject) {
  return compare(subject, "transformer", over(worlds_above_one(subject), {kPlain}, "plain"));
}

/// What is quick in training adds in an order of its own.
std::string check_fast(const Subject& subject) {
  Words words = kPlain;
  words.insert(words.end(), {"numerics=fast"});
  return compare(subject, "transformer", over(worlds_above_one(subject), {words}, "fast numerics"),
                 cli::Compare::kClose);
}

std::string check_case(const Subject& subject, const Case& c) {
  std::vector<Words> variants;
  for (const Words& words : c.variants) variants.push_back(words_of(c, words));
  return compare(subject, c.model, over(worlds_above_one(subject), variants, c.about));
}

/// As a user trains: a process for each rank (or one, where the strategy's ranks are threads).
std::string check_processes(const Subject& subject) {
  const int world = std::ranges::max(worlds_above_one(subject));
  Words words = words_of(cases().front(), {"model.rows=50", "model.masked=2", "train.clip_norm=0.5",
                                           "train.accumulate=2", "model.dropout=0.2"});
  Bench bench(subject, "transformer", words);
  Variant variant{.label = "processes", .world = world};
  Variant reference = variant;
  reference.reference = true;
  const std::vector<RunResult> expected = bench.run({reference});
  require_done(subject, reference, expected.front());
  const Bench::Launched own = bench.launch(variant, "prove");
  if (own.ending.failure) fail(subject, variant, "the run failed", "", own.ending.failure->reason);
  if (const auto difference = cli::first_difference(expected.front().state, own.state)) {
    fail(subject, variant, difference->text, "the bits of `single`");
  }
  return fmt::format("{} ranks", world);
}

/// Fast numerics too: buckets may go out as they come, but not add up differently.
std::string check_determinism(const Subject& subject) {
  Bench bench(subject, "transformer", kPlain);
  const auto variants =
      over(worlds_of(subject), {{"numerics=fast", "model.rows=50"}, {}}, "the same run twice");
  std::vector<Variant> all;
  for (const Variant& variant : variants) all.insert(all.end(), {variant, variant});
  const auto runs = bench.run(all);
  for (std::size_t v = 0; v < variants.size(); ++v) {
    require_done(subject, variants[v], runs[2 * v]);
    require_done(subject, variants[v], runs[2 * v + 1]);
    if (const auto difference = cli::first_difference(runs[2 * v].state, runs[2 * v + 1].state)) {
      fail(subject, variants[v], difference->text, "the bits of the first run");
    }
  }
  return fmt::format("{} runs, each twice", variants.size());
}

std::string check_order(const Subject& subject) {
  const auto variants = over(worlds_above_one(subject),
                             {{"model.adapter=tokens", "model.rows=50", "numerics=fast"},
                              {"model.adapter=tokens", "model.rows=50", "train.accumulate=2"}},
                             "order of collectives");
  Bench bench(subject, "transformer", {});
  const auto runs = bench.run(variants);
  std::int64_t operations = 0;
  for (std::size_t v = 0; v < variants.size(); ++v) {
    const std::string disorder = runs[v].report.value("disorder", std::string());
    if (!disorder.empty()) {
      fail(subject, variants[v], "the ranks issue different collectives: " + disorder,
           "the same operations in the same order on every rank");
    }
    require_done(subject, variants[v], runs[v]);
    operations += runs[v].report.value("operations", std::int64_t{0});
  }
  return fmt::format("{} operations of {} runs", operations, variants.size());
}

}  // namespace

std::vector<Check> equivalence_checks(const Subject& subject) {
  const std::string world_1 = "equivalence.world-1", order = "collectives.order";
  const std::string ranks = base_of(subject);
  std::vector<Check> out;
  out.push_back({world_1, "one rank has the bits of `single`", check_world_1, {}, true});
  out.push_back({order, "every rank issues the same operations", check_order, {world_1}, true});
  out.push_back({"equivalence.ranks",
                 "several ranks have the bits of one process",
                 for_exact(check_ranks),
                 {order},
                 true});
  std::vector<std::string> all{ranks};
  for (const Case& c : cases()) {
    out.push_back({std::string("equivalence.") + c.name,
                   c.about,
                   for_exact([c](const Subject& checked) { return check_case(checked, c); }),
                   {ranks}});
    if (subject.info().exact) all.push_back(out.back().name);
  }
  out.push_back(
      {"equivalence.fast", "fast numerics, to a tolerance", for_exact(check_fast), {ranks}});
  out.push_back({"equivalence.processes", "a process for each rank, all at once",
                 for_exact(check_processes), all});
  out.push_back(
      {"determinism", "the same run twice has the same bits", check_determinism, {ranks}});
  return out;
}

std::string base_of(const Subject& subject) {
  return subject.info().exact ? "equivalence.ranks" : "collectives.order";
}

}  // namespace trainhost::conformance
