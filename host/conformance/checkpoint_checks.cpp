// Whether what a strategy shows as its state is all of it, and is taken back.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>

#include "host/conformance/bench.h"
#include "host/conformance/groups.h"

namespace trainhost::conformance {
namespace {

namespace fs = std::filesystem;

std::string new_folder(const Bench& bench, const std::string& name) {
  const std::string out = bench.folder() + "/" + name;
  fs::create_directories(out + "/checkpoints");
  return out;
}

/// The only checkpoint of a run.
std::string checkpoint_of(const std::string& run) {
  for (const auto& entry : fs::directory_iterator(run + "/checkpoints")) {
    if (entry.path().filename().string().starts_with("step-")) return entry.path().string();
  }
  throw Error(Failure::kRun, {.where = run, .what = "no checkpoint was written"});
}

/// Two objectives of 3 steps each an epoch: the last rank is killed in the second epoch, a step
/// after the checkpoint.
const std::vector<std::string> kKilled{"model.rows=36", "train.epochs=2",
                                       "train.checkpoint_every_steps=7"};

std::string check_resume(const Subject& subject) {
  const int world = std::ranges::max(worlds_of(subject));
  Bench bench(subject, "tiny", kKilled);
  Variant killed{.label = "a killed run", .world = world};
  killed.overrides = {"model.fault=kill", "model.fault_step=4",
                      "model.fault_rank=" + std::to_string(world - 1)};
  killed.directory = new_folder(bench, "killed");
  const Bench::Launched run = bench.launch(killed, "train");
  if (!run.ending.failure) fail(subject, killed, "the run went on when a rank was killed");
  const std::string checkpoint = checkpoint_of(killed.directory);
  Variant whole{.label = "uninterrupted", .world = world, .kind = "train"};
  whole.directory = new_folder(bench, "whole");
  Variant resumed{.label = "resumed from step 7 after a kill", .world = world, .kind = "train"};
  resumed.directory = new_folder(bench, "resumed");
  resumed.resume = checkpoint;
  const auto runs = bench.run({whole, resumed});
  require_done(subject, whole, runs[0]);
  require_done(subject, resumed, runs[1]);
  if (const auto difference = cli::first_difference(runs[0].state, runs[1].state)) {
    fail(subject, resumed, difference->text, "the bits of the run that was not interrupted");
  }
  return fmt::format("{} ranks", world);
}

/// Parameters and buffers alone: what else a strategy with numbers of its own keeps may be a
/// rank's, which another number of ranks has no place for.
cli::ProvedRun model_of(cli::ProvedRun run) {
  for (cli::ProvedRun::Place& place : run.places) {
    std::erase_if(place.tensors, [](const cli::ProvedRun::Tensor& tensor) {
      return !tensor.name.starts_with("parameter/") && !tensor.name.starts_with("buffer/");
    });
    place.index.clear();
    for (std::size_t t = 0; t < place.tensors.size(); ++t) place.index[place.tensors[t].name] = t;
  }
  return run;
}

/// Saved with each number of ranks and loaded with each other one.
std::string check_reshard(const Subject& subject) {
  const std::vector<int> worlds = worlds_of(subject);
  if (worlds.size() < 2) throw CheckSkipped{"--worlds has one number of ranks only"};
  Bench bench(subject, "transformer",
              {"model.width=10", "model.heads=2", "model.feed_forward=22", "model.classes=7",
               "model.rows=24", "model.held_out=4", "train.checkpoint_every=1"});
  std::vector<Variant> saves;
  for (const int world : worlds) {
    Variant save{.label = "saved", .world = world, .kind = "train"};
    save.directory = new_folder(bench, "saved-" + std::to_string(world));
    saves.push_back(std::move(save));
  }
  const auto saved = bench.run(saves);
  std::vector<Variant> loads;
  std::vector<std::size_t> from;
  for (std::size_t s = 0; s < saves.size(); ++s) {
    require_done(subject, saves[s], saved[s]);
    for (const int world : worlds) {
      if (world == saves[s].world) continue;
      Variant load{.label = fmt::format("saved with {} ranks", saves[s].world), .world = world};
      load.kind = "load";
      load.resume = checkpoint_of(saves[s].directory);
      loads.push_back(std::move(load));
      from.push_back(s);
    }
  }
  const auto loaded = bench.run(loads);
  for (std::size_t l = 0; l < loads.size(); ++l) {
    require_done(subject, loads[l], loaded[l]);
    cli::ProvedRun before = saved[from[l]].state, after = loaded[l].state;
    if (!subject.info().exact) {
      before = model_of(std::move(before));
      after = model_of(std::move(after));
    }
    if (const auto difference = cli::first_difference(before, after)) {
      fail(subject, loads[l], difference->text, "what was saved");
    }
  }
  return fmt::format("{} pairs of worlds", loads.size());
}

struct Damage {
  const char* name;
  void (*apply)(const fs::path& shard, std::uint64_t seed);
};

void truncate(const fs::path& shard, std::uint64_t) {
  fs::resize_file(shard, fs::file_size(shard) / 2);
}
void empty(const fs::path& shard, std::uint64_t) { fs::resize_file(shard, 0); }
void randomise(const fs::path& shard, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string bytes(fs::file_size(shard), '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  std::ofstream(shard, std::ios::binary) << bytes;
}
void remove(const fs::path& shard, std::uint64_t) { fs::remove(shard); }

constexpr Damage kDamages[] = {{"a truncated shard", truncate},
                               {"an empty shard", empty},
                               {"a shard of random bytes", randomise},
                               {"a missing shard", remove}};

/// The shard with most in it: a small model leaves some ranks without a slice.
std::string largest_shard(const fs::path& checkpoint) {
  fs::path largest;
  for (const auto& entry : fs::directory_iterator(checkpoint)) {
    if (entry.path().extension() != ".safetensors") continue;
    if (largest.empty() || entry.file_size() > fs::file_size(largest)) largest = entry.path();
  }
  return largest.filename().string();
}

std::string check_damaged(const Subject& subject) {
  const int world = std::ranges::max(worlds_of(subject));
  Bench bench(subject, "tiny", {"model.rows=36", "train.checkpoint_every=1"});
  Variant save{.label = "saved", .world = world, .kind = "train"};
  save.directory = new_folder(bench, "saved");
  require_done(subject, save, bench.run({save}).front());
  const fs::path whole = checkpoint_of(save.directory);
  const std::string shard = largest_shard(whole);
  std::vector<Variant> loads;
  for (const Damage& damage : kDamages) {
    const fs::path copy = bench.folder() + "/damaged-" + std::to_string(loads.size()) + "/" +
                          whole.filename().string();
    fs::create_directories(copy.parent_path());
    fs::copy(whole, copy, fs::copy_options::recursive);
    damage.apply(copy / shard, static_cast<std::uint64_t>(subject.settings.seed));
    Variant load{.label = damage.name, .world = world, .kind = "load"};
    load.resume = copy.string();
    loads.push_back(std::move(load));
  }
  const auto loaded = bench.run(loads);
  for (std::size_t l = 0; l < loads.size(); ++l) {
    if (loaded[l].failure.find(shard) == std::string::npos) {
      fail(subject, loads[l], "a damaged checkpoint was not refused as such",
           "an error that names " + shard,
           loaded[l].failure.empty() ? "no error" : loaded[l].failure);
    }
  }
  return fmt::format("{} kinds of damage", loads.size());
}

}  // namespace

std::vector<Check> checkpoint_checks(const Subject& subject) {
  const std::string base = base_of(subject), resume = "checkpoint.resume";
  return {
      {resume, "save, kill, resume: the bits of an uninterrupted run", check_resume, {base}},
      {"checkpoint.reshard", "saved with N ranks, loaded with M", check_reshard, {base, resume}},
      {"checkpoint.damaged", "damaged shards are refused", check_damaged, {base}}};
}

}  // namespace trainhost::conformance
