#include "host/checkpoint/best_folder.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "trainhost/error.h"
#include "trainhost/files.h"

namespace trainhost::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMaxMetrics = std::int64_t{1} << 20;
constexpr std::int64_t kNone = -1;

std::string partial_of(const std::string& run) { return best_of(run) + ".partial"; }
std::string earlier_of(const std::string& run) { return best_of(run) + ".earlier"; }
std::string abandoned_of(const std::string& run) { return best_of(run) + ".abandoned"; }
std::string metrics_file(const std::string& folder) { return folder + "/metrics.json"; }

/// The step of the model in a folder; kNone where it is not whole: metrics.json is written last.
std::int64_t step_of(const std::string& folder) {
  try {
    const auto metrics = nlohmann::json::parse(read_text_file(metrics_file(folder), kMaxMetrics),
                                               nullptr, /*allow_exceptions=*/false);
    const auto step = metrics.is_object() ? metrics.find("global_step") : metrics.end();
    return step != metrics.end() && step->is_number_integer() ? step->get<std::int64_t>() : kNone;
  } catch (const Error&) {
    return kNone;
  }
}

void set_aside(const std::string& folder, const std::string& run) {
  remove_tree(abandoned_of(run));
  rename_path(folder, abandoned_of(run));
}

}  // namespace

std::string best_of(const std::string& run_directory) { return run_directory + "/best"; }

std::string begin_best(const std::string& run_directory) {
  make_empty_folder(partial_of(run_directory));
  return partial_of(run_directory);
}

void publish_best(const std::string& run_directory, const std::string& metrics) {
  const std::string best = best_of(run_directory), partial = partial_of(run_directory);
  write_text_file(metrics_file(partial), metrics);
  put_in_place(partial, best);
  // The first one after a checkpoint is that checkpoint's.
  if (!fs::exists(partial)) return;
  if (fs::exists(earlier_of(run_directory))) {
    remove_tree(partial);
  } else {
    rename_path(partial, earlier_of(run_directory));
  }
}

void forget_earlier_best(const std::string& run_directory) {
  remove_tree(earlier_of(run_directory));
  remove_tree(abandoned_of(run_directory));
}

std::string settle_best(const std::string& run_directory, std::int64_t step) {
  const std::string best = best_of(run_directory);
  recover_replaced(best);
  std::string note;
  if (fs::exists(best) && step_of(best) != step) {
    // Killed between a publication and its tidying up, the one wanted is still named partial.
    for (const std::string& other : {earlier_of(run_directory), partial_of(run_directory)}) {
      if (step == kNone || step_of(other) != step) continue;
      put_in_place(other, best);
      set_aside(other, run_directory);
      break;
    }
    if (step_of(best) != step) {
      set_aside(best, run_directory);
      if (step != kNone) {
        note = "the best model at that time is gone; a later one, " + abandoned_of(run_directory) +
               ", is kept until the next checkpoint";
      }
    }
  }
  remove_tree(partial_of(run_directory));
  remove_tree(earlier_of(run_directory));
  return note;
}

}  // namespace trainhost::checkpoint
