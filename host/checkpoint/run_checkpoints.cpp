#include "host/checkpoint/run_checkpoints.h"

#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <system_error>

#include "host/checkpoint/best_folder.h"
#include "trainhost/error.h"
#include "trainhost/files.h"

namespace trainhost::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "step-";

/// The N of step-N; -1 for another name.
std::int64_t step_of(std::string_view name) {
  if (!name.starts_with(kPrefix)) return -1;
  std::int64_t step = -1;
  const char* const end = name.data() + name.size();
  const auto [stop, wrong] = std::from_chars(name.data() + kPrefix.size(), end, step);
  return wrong == std::errc() && stop == end && step >= 0 ? step : -1;
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    names.push_back(entry.path().filename().string());
  }
  return names;
}

/// As a shell takes it.
std::string quoted(const std::string& path) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+=:,@%";
  if (path.find_first_not_of(kPlain) == std::string::npos) return path;
  std::string out = "'";
  for (const char letter : path) out += letter == '\'' ? "'\\''" : std::string(1, letter);
  return out + "'";
}

// Renamed first: a removal that is killed half-way leaves nothing that looks like a checkpoint.
void remove_checkpoint(const std::string& path) {
  const std::string partial = path + ".partial";
  remove_tree(partial);
  rename_path(path, partial);
  remove_tree(partial);
}

void remove_with_suffix(const std::string& folder, std::string_view suffix) {
  for (const std::string& name : names_in(folder)) {
    if (name.ends_with(suffix)) remove_tree(folder + "/" + name);
  }
}

std::string steps_text(const std::vector<Found>& found) {
  std::string out;
  for (const Found& one : found) {
    out += (out.empty() ? "" : ", ") + std::string(kPrefix) + std::to_string(one.step);
  }
  return out;
}

/// The folder that `name` means.
std::string folder_named(const std::string& run_directory, const std::string& name) {
  const std::string checkpoints = checkpoints_of(run_directory);
  const bool plain = name.find('/') == std::string::npos;
  const std::string path =
      plain && fs::is_directory(checkpoints + "/" + name) ? checkpoints + "/" + name : name;
  if (fs::is_directory(path)) return fs::absolute(path).lexically_normal().string();
  const std::vector<Found> found = list(checkpoints);
  throw Error(Failure::kUser,
              {.where = checkpoints,
               .what = "there is no checkpoint '" + name + "'",
               .expected = found.empty() ? "" : "one of " + steps_text(found),
               .got = "",
               .fix = "name one of those, or leave --checkpoint out to take the newest"});
}

std::string newest(const std::string& run_directory) {
  const std::vector<Found> found = list(checkpoints_of(run_directory));
  if (!found.empty()) return fs::absolute(found.back().path).lexically_normal().string();
  throw Error(Failure::kUser, {.where = checkpoints_of(run_directory),
                               .what = "there is no whole checkpoint to go on from",
                               .fix = "start the recipe again"});
}

}  // namespace

std::string checkpoints_of(const std::string& run_directory) {
  return run_directory + "/checkpoints";
}

std::vector<Found> list(const std::string& checkpoints) {
  std::vector<Found> found;
  for (const std::string& name : names_in(checkpoints)) {
    const std::int64_t step = step_of(name);
    if (step >= 0) found.push_back({step, checkpoints + "/" + name});
  }
  std::ranges::sort(found, {}, &Found::step);
  return found;
}

Manifest check(const std::string& folder) {
  const std::string path = folder + "/" + kManifestName;
  Manifest manifest = manifest_from_json(read_text_file(path, kMaxManifest), path);
  for (const ManifestFile& file : manifest.files) {
    const std::string name = folder + "/" + file.name;
    struct stat status = {};
    const bool there = ::stat(name.c_str(), &status) == 0;
    if (there && status.st_size == file.bytes) continue;
    throw Error(Failure::kUser,
                {.where = name,
                 .what = there ? "the file has not the size that was written"
                               : "a file of the checkpoint is missing",
                 .expected = std::to_string(file.bytes) + " bytes",
                 .got = there ? std::to_string(status.st_size) + " bytes" : "no such file",
                 .fix = "take another checkpoint"});
  }
  return manifest;
}

Manifest verify(const std::string& folder) {
  Manifest manifest = check(folder);
  for (const ManifestFile& file : manifest.files) {
    const std::string name = folder + "/" + file.name;
    const std::uint32_t crc = crc32_of_file(name);
    if (crc == file.crc32) continue;
    throw Error(Failure::kUser, {.where = name,
                                 .what = "the file is not the one that was written",
                                 .expected = "CRC-32 " + std::to_string(file.crc32),
                                 .got = "CRC-32 " + std::to_string(crc),
                                 .fix = "take another checkpoint"});
  }
  return manifest;
}

std::string advice_instead_of(const std::string& damaged) {
  const fs::path folder = fs::absolute(damaged).lexically_normal();
  const fs::path checkpoints = folder.parent_path(), run = checkpoints.parent_path();
  std::vector<Found> others = list(checkpoints.string());
  std::ranges::reverse(others);
  for (const Found& other : others) {
    if (fs::path(other.path) == folder) continue;
    try {
      verify(other.path);
    } catch (const Error&) {
      continue;
    }
    const std::string name = fs::path(other.path).filename().string();
    return "the last good checkpoint is " + name + ": trainhost resume " + quoted(run.string()) +
           " --checkpoint " + name;
  }
  return "there is no other good checkpoint in " + checkpoints.string() +
         ": start the recipe again";
}

void with_advice(const std::string& folder, const std::function<void()>& read) {
  try {
    read();
  } catch (const Error& error) {
    if (error.failure() != Failure::kUser) throw;
    Error::Text text = error.text();
    text.fix = advice_instead_of(folder);
    throw Error(Failure::kUser, std::move(text));
  }
}

Chosen choose(const std::string& run_directory, const std::string& name) {
  Chosen chosen;
  chosen.path = name.empty() ? newest(run_directory) : folder_named(run_directory, name);
  // Every rank verifies the bytes it reads. Here it is done where what comes later is set aside.
  with_advice(chosen.path,
              [&] { chosen.manifest = name.empty() ? check(chosen.path) : verify(chosen.path); });
  return chosen;
}

void tidy(const std::string& run_directory) {
  const std::string checkpoints = checkpoints_of(run_directory);
  for (const std::string& name : names_in(checkpoints)) {
    const std::string target = name.substr(0, name.rfind('.'));
    if (name.ends_with(".replaced")) recover_replaced(checkpoints + "/" + target);
  }
  remove_with_suffix(checkpoints, ".partial");
}

std::string go_back_to(const Chosen& chosen, const std::string& run_directory) {
  const std::string checkpoints = checkpoints_of(run_directory);
  std::string note;
  for (const Found& found : list(checkpoints)) {
    if (found.step <= chosen.manifest.position.total_steps() || found.path == chosen.path) continue;
    const std::string aside = found.path + ".abandoned";
    remove_tree(aside);
    rename_path(found.path, aside);
    note += (note.empty() ? "" : "; ") + aside + " is kept until the next checkpoint";
  }
  const std::string best = settle_best(run_directory, chosen.manifest.position.best_step);
  return best.empty() || note.empty() ? note + best : note + "; " + best;
}

void remove_old(const std::string& checkpoints, std::int64_t keep) {
  const std::vector<Found> found = list(checkpoints);
  for (std::size_t i = 0; i + static_cast<std::size_t>(keep) < found.size(); ++i) {
    remove_checkpoint(found[i].path);
  }
  remove_with_suffix(checkpoints, ".abandoned");
}

}  // namespace trainhost::checkpoint
