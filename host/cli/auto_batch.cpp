#include "host/cli/auto_batch.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "host/cli/batch_search.h"
#include "host/cli/prepared_run.h"
#include "host/cli/rank_job.h"
#include "host/launch/cache_directory.h"
#include "trainhost/crc32.h"
#include "trainhost/files.h"

namespace trainhost::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kShare = 0.9;  // of memory
constexpr std::int64_t kMostRows = 16777216;
constexpr std::int64_t kMostCached = 1 << 20;  // bytes of a file of the cache

std::string megabytes(std::int64_t bytes) { return fmt::format("{} MiB", bytes >> 20); }

/// Bytes that the system can still give, -1 where it does not tell.
std::int64_t available_memory() {
  std::ifstream file("/proc/meminfo");
  std::string word;
  while (file >> word) {
    std::int64_t kibibytes = 0;
    if (word == "MemAvailable:" && file >> kibibytes) return kibibytes * 1024;
    file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return -1;
}

/// The file's path, size and time: what tells one build of a plugin from another.
std::string identity(const std::string& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) return file;
  return fmt::format("{} {} {}.{}", file, status.st_size, status.st_mtim.tv_sec,
                     status.st_mtim.tv_nsec);
}

class Finder {
 public:
  Finder(const std::string& file, const std::vector<std::string>& overrides,
         plugins::Catalog& catalog, const FailedAttempts& failed)
      : file_(file), overrides_(overrides), catalog_(catalog), failed_(failed), run_(prepared(1)) {
    if (run_.foreign) {
      throw Error(Failure::kUser,
                  {.where = file,
                   .what = "train.batch = \"auto\" starts ranks by itself to try batches, but " +
                           run_.foreign->launcher + " has started this process",
                   .fix = "find it once without a launcher, then give it: train.batch=N"});
    }
    const auto processes = static_cast<std::int64_t>(rank_devices(run_).size());
    on_cpu_ = run_.placement.device_kind == "cpu";
    if (!on_cpu_) return;
    const std::int64_t limit = run_.plan.train.memory_limit << 20;
    const std::int64_t ranks_of_process = run_.placement.ranks() / processes;
    limited_ = limit > 0;
    memory_ = limited_ ? limit * ranks_of_process : memory_of_the_machine() / processes;
  }

  /// What the recipe has to say for this batch of a rank.
  std::int64_t written(std::int64_t batch) const {
    return run_.plan.scaling.batch_rule == "global" ? batch * run_.plan.ranks : batch;
  }

  struct Answer {
    FoundBatch found;
    std::int64_t written = 0;
    bool known = false;  ///< from an earlier search
    std::string cache_file;
  };

  std::optional<FoundBatch> known() const {
    std::error_code ignored;
    if (!std::filesystem::exists(cache_file(), ignored)) return std::nullopt;
    const Json json = Json::parse(read_text_file(cache_file(), kMostCached), nullptr, false);
    if (!json.is_object() || json.value("of", "") != key() || !json["batch"].is_number_integer()) {
      return std::nullopt;
    }
    // Less is free than when it was found.
    if (on_cpu_ && json.value("memory", std::int64_t{0}) > memory_ + memory_ / 20) {
      return std::nullopt;
    }
    const auto batch = json["batch"].get<std::int64_t>();
    if (batch < 1 || batch > kMostRows) return std::nullopt;
    return FoundBatch{batch, json.value("bytes", std::int64_t{0}),
                      json.value("bound", std::int64_t{0}), json.value("trials", 0)};
  }

  FoundBatch search() {
    fmt::print(stderr, "train.batch = \"auto\": trying batches\n");
    const FoundBatch found =
        search_batch(kMostRows, [this](std::int64_t batch) { return trial(batch); });
    if (found.batch == 0) {
      throw Error(Failure::kDevice,
                  {.where = file_,
                   .what = "not even a batch of one row fits into " +
                           (found.bound > 0 ? megabytes(found.bound) : std::string("memory")),
                   .fix = "use strategy=zero3, with offload_optimizer and offload_parameters, "
                          "train.activation_checkpointing = \"all\", or more devices"});
    }
    make_folder(launch::cache_directory());
    make_folder(folder());
    write_text_file(cache_file(), Json{{"batch", found.batch},
                                       {"bytes", found.bytes},
                                       {"bound", found.bound},
                                       {"memory", memory_},
                                       {"trials", found.trials},
                                       {"of", key()}}
                                          .dump(1) +
                                      "\n");
    return found;
  }

  std::string cache_file() const {
    const std::string text = key();
    return fmt::format("{}/{:08x}.json", folder(),
                       crc32_of(text.data(), static_cast<std::int64_t>(text.size())));
  }

 private:
  static std::string folder() { return launch::cache_directory() + "/auto-batch"; }

  /// `batch`: of a rank.
  PreparedRun prepared(std::int64_t batch) const {
    recipe::Recipe recipe = with_batch(batch);
    PreparedRun run = place_run(recipe.base(), catalog_, failed_);
    const recipe::World world = world_of(run);
    if (recipe.base().scaling.batch_rule == "global") recipe = with_batch(batch * world.ranks);
    finish_plan(run, recipe.resolve(world), catalog_);
    return run;
  }

  recipe::Recipe with_batch(std::int64_t batch) const {
    std::vector<std::string> overrides = overrides_;
    overrides.push_back("train.batch=" + std::to_string(batch));
    return recipe::Recipe::load(file_, overrides, plugin_lookup(catalog_));
  }

  std::int64_t memory_of_the_machine() const {
    std::int64_t bytes = run_.placement.available.devices.front().memory_bytes;
    const std::int64_t available = available_memory();
    if (bytes < 0 || (available >= 0 && available < bytes)) bytes = available;
    return std::max<std::int64_t>(bytes, std::int64_t{1} << 30);
  }

  /// All that the batch depends on, but the data's content and how much memory is free.
  std::string key() const {
    recipe::RunPlan plan = run_.plan;
    plan.name.clear();
    plan.recipe_file.clear();
    plan.train = {.accumulate = plan.train.accumulate,
                  .workers = plan.train.workers,
                  .threads = plan.train.threads,
                  .recompute_every = plan.train.recompute_every,
                  .recompute_units = plan.train.recompute_units,
                  .memory_limit = plan.train.memory_limit,
                  .gradient_dtype = plan.train.gradient_dtype};
    std::string out = recipe::plan_to_json(plan);
    for (const std::string& file :
         {run_.plan.model.file, run_.plan.strategy.file, run_.plan.device_file}) {
      out += identity(file) + "\n";
    }
    for (const int index : run_.placement.indices) {
      for (const auto& device : run_.placement.available.devices) {
        if (device.index != index) continue;
        out += fmt::format("{} {} {}\n", index, device.name, device.memory_bytes);
      }
    }
    return out;
  }

  std::optional<BatchTrial> trial(std::int64_t batch) {
    PreparedRun run = prepared(batch);
    // The kernel's out-of-memory killer is not to end a trial.
    if (on_cpu_ && !limited_) {
      run.plan.train.memory_limit = std::max<std::int64_t>(
          1, memory_ / (run.placement.ranks() / std::ssize(rank_devices(run))) >> 20);
    }
    const std::string label = fmt::format("batch {}", batch);
    try {
      const auto texts = run_rank_job(
          run, {"probe", Json{{"warmup", 1}, {"steps", 1}, {"alone", false}}.dump(), label, false});
      const BatchTrial out = measured(texts);
      fmt::print(stderr, "  {}: {} of {}{}\n", label, megabytes(out.bytes), megabytes(out.bound),
                 out.bytes > out.bound ? ", too much"
                 : out.most == batch   ? ", all rows"
                                       : "");
      return out;
    } catch (const DevicesNotOpened&) {
      throw;
    } catch (const Error& error) {
      if (error.failure() != Failure::kDevice) throw;
      fmt::print(stderr, "  {}: out of memory\n", label);
      return std::nullopt;
    }
  }

  /// Of the rank that needs most.
  BatchTrial measured(const std::vector<std::string>& texts) const {
    BatchTrial out{0, std::numeric_limits<std::int64_t>::max(), 0};
    const std::int64_t ranks = run_.placement.ranks();
    for (const std::string& text : texts) {
      const Json json = Json::parse(text, nullptr, false);
      if (!json.is_object() || !json.contains("runs")) continue;
      std::int64_t tensors = 0, base = 0;
      for (const Json& run : json.at("runs")) {
        tensors = std::max(tensors, run.at("peak_bytes").get<std::int64_t>());
        base = run.at("counted_bytes").get<std::int64_t>();
      }
      const auto rows = json.at("training_rows").get<std::int64_t>();
      out.most = (rows + ranks - 1) / ranks;
      std::int64_t bytes = 0, memory = memory_;
      if (on_cpu_) {
        const auto before = json.at("pss_before").get<std::int64_t>();
        bytes = limited_ ? tensors + base
                         : std::max(before + tensors, json.at("most_resident").get<std::int64_t>());
      } else {
        bytes = json.at("device_peak").get<std::int64_t>();
        memory = json.at("device_free").get<std::int64_t>() / launch::ranks_sharing_a_device();
      }
      if (bytes < 0 || memory < 0) {
        throw Error(Failure::kUser,
                    {.where = file_,
                     .what = "the device '" + run_.placement.device_kind +
                             "' does not tell its memory, so train.batch cannot be \"auto\"",
                     .fix = "give a number: train.batch=N"});
      }
      out.bytes = std::max(out.bytes, bytes);
      out.bound =
          std::min(out.bound, static_cast<std::int64_t>(kShare * static_cast<double>(memory)));
    }
    return out;
  }

  const std::string& file_;
  const std::vector<std::string>& overrides_;
  plugins::Catalog& catalog_;
  const FailedAttempts failed_;  // before this search
  const PreparedRun run_;
  bool on_cpu_ = false, limited_ = false;
  std::int64_t memory_ = -1;  // of a process, on a CPU
};

Finder::Answer find_batch(const std::string& file, const std::vector<std::string>& overrides,
                          plugins::Catalog& catalog, Search search, FailedAttempts* failed) {
  while (true) {
    Finder finder(file, overrides, catalog, failed == nullptr ? FailedAttempts() : *failed);
    const auto known = finder.known();
    if (known) return {*known, finder.written(known->batch), true, finder.cache_file()};
    if (search == Search::kNever) {
      throw Error(Failure::kUser, {.where = file,
                                   .what = "train.batch is \"auto\", and has not been found yet",
                                   .fix = "run the recipe, which finds it, or give it: "
                                          "train.batch=N"});
    }
    try {
      const FoundBatch found = finder.search();
      return {found, finder.written(found.batch), false, finder.cache_file()};
    } catch (const DevicesNotOpened& error) {
      if (failed == nullptr) throw;
      fmt::print(stderr, "  {}: {}\n", error.attempt().kind, error.attempt().reason);
      failed->push_back(error.attempt());
    }
  }
}

}  // namespace

AutoBatch load_recipe(const std::string& file, std::vector<std::string> overrides,
                      plugins::Catalog& catalog, Search search, FailedAttempts* failed) {
  auto recipe = recipe::Recipe::load(file, overrides, plugin_lookup(catalog));
  if (!recipe.base().train.batch_is_auto) return {std::move(recipe), ""};
  const Finder::Answer answer = find_batch(file, overrides, catalog, search, failed);
  const FoundBatch& found = answer.found;
  overrides.push_back("train.batch=" + std::to_string(answer.written));
  std::string note = fmt::format("train.batch = {} (auto: {} of {} MiB, ", answer.written,
                                 found.bytes >> 20, found.bound >> 20);
  note += answer.known ? "found earlier; remove " + answer.cache_file + " to search again)"
                       : fmt::format("{} trials)", found.trials);
  return {recipe::Recipe::load(file, overrides, plugin_lookup(catalog)), std::move(note)};
}

}  // namespace trainhost::cli
