#include "host/telemetry/run_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "host/telemetry/text_layout.h"
#include "trainhost/error.h"

namespace trainhost::telemetry {
namespace {

namespace fs = std::filesystem;

constexpr int kMostRuns = 100000;
constexpr std::size_t kMostLogBytes = std::size_t{256} << 20;

[[noreturn]] void fail(const std::string& path, const std::string& what, int code,
                       Failure failure = Failure::kUser) {
  throw Error(failure, {.where = path,
                        .what = what + ": " + std::strerror(code),
                        .fix = code == ENOSPC || code == EDQUOT
                                   ? "free some space, or choose another folder with --run-dir DIR"
                                   : "choose a folder that can be written, with --run-dir DIR"});
}

// mkdir -p
void make_folders(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) fail(path, "cannot make the folder", error.value());
}

void write_all(int fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      const int code = errno;
      close(fd);
      fail(path, "cannot write", code, Failure::kRun);
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

/// A plugin chose it.
bool is_file_name(std::string_view name) {
  constexpr std::size_t kLongest = 200;
  const bool clean = std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
  return clean && !name.empty() && name.size() <= kLongest && name.front() != '.';
}

// Written aside, made durable, renamed: a reader sees the old file or the new one, never a part.
void write_atomically(const std::string& path, std::string_view text) {
  const std::string aside = path + ".new";
  const int fd = ::open(aside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) fail(aside, "cannot write", errno, Failure::kRun);
  write_all(fd, text, aside);
  fsync(fd);
  close(fd);
  if (rename(aside.c_str(), path.c_str()) != 0) {
    fail(path, "cannot write", errno, Failure::kRun);
  }
}

/// The second column of the files in eval/ is the step.
std::int64_t step_of_row(const std::string& line) {
  const std::size_t comma = line.find(',');
  std::int64_t step = -1;
  if (comma == std::string::npos) return step;
  std::from_chars(line.data() + comma + 1, line.data() + line.size(), step);
  return step;
}

void forget_rows_after(const std::string& folder, std::int64_t step) {
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    std::ifstream lines(at->path());
    std::string kept, line;
    if (std::getline(lines, line)) kept = line + "\n";
    while (std::getline(lines, line)) {
      if (step_of_row(line) <= step) kept += line + "\n";
    }
    write_atomically(at->path().string(), kept);
  }
}

std::string time_text() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  std::tm parts{};
  localtime_r(&now.tv_sec, &parts);
  char text[40];
  const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts);
  std::snprintf(text + size, sizeof text - size, ".%03ld ", now.tv_nsec / 1000000);
  return text;
}

}  // namespace

RunDirectory::RunDirectory(std::string path)
    : path_(fs::absolute(path).lexically_normal().string()),
      metrics_(open_for_append("metrics.jsonl")),
      log_(open_for_append("log.txt")),
      csv_(path_) {}

RunDirectory RunDirectory::create_numbered(const std::string& folder, const std::string& name) {
  make_folders(folder);
  for (int number = 1; number <= kMostRuns; ++number) {
    const std::string path =
        folder + "/" + name + (number == 1 ? "" : "-" + std::to_string(number));
    if (mkdir(path.c_str(), 0777) == 0) return RunDirectory(path);
    if (errno != EEXIST) fail(path, "cannot make the folder", errno);
  }
  throw Error(Failure::kUser, {.where = folder,
                               .what = "there are too many runs named '" + name + "'",
                               .fix = "remove old ones, or choose a folder with --run-dir DIR"});
}

RunDirectory RunDirectory::create_at(const std::string& path) {
  make_folders(path);
  if (fs::exists(path + "/plan.json")) {
    throw Error(Failure::kUser, {.where = path,
                                 .what = "this folder holds a run already",
                                 .fix = "continue it with `trainhost resume " + path +
                                        "`, or choose another --run-dir"});
  }
  return RunDirectory(path);
}

RunDirectory RunDirectory::open(const std::string& path) {
  if (!fs::exists(path + "/plan.json")) {
    throw Error(
        Failure::kUser,
        {.where = path,
         .what = fs::is_directory(path) ? "this folder holds no run (no plan.json)"
                                        : "there is no such run directory",
         .fix = "name the run directory that `trainhost RECIPE` printed, such as runs/NAME"});
  }
  return RunDirectory(path);
}

RunDirectory::File RunDirectory::open_for_append(const std::string& name) const {
  const std::string path = path_ + "/" + name;
  File file(std::fopen(path.c_str(), "ae"));
  if (!file) fail(path, "cannot write", errno);
  return file;
}

void RunDirectory::lock() const {
  // Some network file systems know no locks: there it is the user who must not do it.
  if (flock(fileno(log_.get()), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
  throw Error(Failure::kUser, {.where = path_,
                               .what = "another trainhost is training in this folder",
                               .fix = "wait until it ends, or end it with Ctrl-C or SIGTERM"});
}

void RunDirectory::write_plan(const std::string& json) const {
  write_atomically(plan_file(), json);
}

void RunDirectory::write_summary(const std::string& json) const {
  write_atomically(path_ + "/summary.json", json);
}

void RunDirectory::add_metrics(std::string_view json) {
  std::fwrite(json.data(), 1, json.size(), metrics_.get());
  std::fputc('\n', metrics_.get());
  if (csv_.add(json)) return;
  flush_metrics();
  csv_.rebuild();
}

void RunDirectory::add_evaluation(const Evaluation& evaluation) {
  for (const Evaluation::Row& row : evaluation.rows) {
    const fs::path folder = fs::path(path_) / "eval";
    if (!is_file_name(row.file)) {
      warning_ = "an evaluation's file has no usable name: " + printable(row.file);
      continue;
    }
    std::error_code ignored;
    fs::create_directories(folder, ignored);
    const bool fresh = !fs::exists(folder / row.file, ignored);
    std::ofstream out(folder / row.file, std::ios::app);
    if (fresh) out << row.header << '\n';
    out << row.line << '\n';
    if (!out.flush()) warning_ = "cannot write " + (folder / row.file).string();
  }
}

void RunDirectory::forget_metrics_after(std::int64_t step) {
  forget_rows_after(path_ + "/eval", step);
  const std::string path = path_ + "/metrics.jsonl";
  std::string kept;
  std::ifstream lines(path);
  for (std::string line; std::getline(lines, line);) {
    const auto entry = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    const auto at = entry.is_object() ? entry.find("step") : entry.end();
    // A line that was cut when the run was killed goes too.
    if (!entry.is_object() || at == entry.end() || !at->is_number_integer()) continue;
    if (at->get<std::int64_t>() <= step) kept += line + "\n";
  }
  metrics_.reset();
  write_atomically(path, kept);
  metrics_ = open_for_append("metrics.jsonl");
  csv_.rebuild();
  goes_on_after_ = step;
}

void RunDirectory::log(std::string_view text) {
  if (logged_bytes_ > kMostLogBytes) return;
  const std::string stamp = time_text();
  std::fwrite(stamp.data(), 1, stamp.size(), log_.get());
  std::fwrite(text.data(), 1, text.size(), log_.get());
  std::fputc('\n', log_.get());
  logged_bytes_ += stamp.size() + text.size() + 1;
  if (logged_bytes_ > kMostLogBytes) std::fputs("the log is full: no more of it\n", log_.get());
}

void RunDirectory::flush() {
  flush_metrics();
  csv_.flush();
  std::fflush(log_.get());
}

void RunDirectory::flush_metrics() {
  if (std::fflush(metrics_.get()) == 0 || metrics_failed_) return;
  metrics_failed_ = true;
  warning_ = path_ + "/metrics.jsonl lacks lines from here on: " + std::strerror(errno);
}

std::string RunDirectory::take_warning() {
  std::string out = std::exchange(warning_, std::string());
  const std::string of_table = csv_.take_warning();
  if (!out.empty() && !of_table.empty()) out += "; ";
  return out + of_table;
}

}  // namespace trainhost::telemetry
