#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "host/bench/machine.h"
#include "host/bench/run_key.h"
#include "host/bench/script.h"
#include "host/bench/script_library.h"
#include "host/cli/commands.h"
#include "host/cli/installed_files.h"
#include "host/cli/run_audience.h"
#include "host/plugins/places.h"

namespace trainhost::cli {
namespace {

namespace fs = std::filesystem;
using bench::Json;

constexpr int kSignalled = 128;  // as a shell counts
constexpr std::size_t kLargestAnswer = std::size_t{4} << 20;

std::size_t terminal_height() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 ? size.ws_row : 24;
}

/// The comment that a script begins with.
std::string about(const std::string& source) {
  std::string out;
  for (std::size_t begin = 0; source.compare(begin, 2, "--") == 0;) {
    const std::size_t end = std::min(source.find('\n', begin), source.size());
    std::string line = source.substr(begin + 2, end - begin - 2);
    if (line.starts_with(' ')) line.erase(0, 1);
    out += line + "\n";
    begin = std::min(end + 1, source.size());
  }
  return out;
}

std::vector<std::string> folders_of(const char* variable) {
  std::vector<std::string> out;
  const char* value = std::getenv(variable);
  const std::string all = value == nullptr ? "" : value;
  for (std::size_t begin = 0; begin < all.size();) {
    const std::size_t end = std::min(all.find(':', begin), all.size());
    if (end > begin) out.push_back(all.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

std::string this_program() { return plugins::install_prefix() + "/bin/trainhost"; }

std::string identity(const BenchArguments& arguments) {
  std::vector<std::string> plugins = folders_of("TRAINHOST_PLUGIN_PATH");
  plugins.push_back(plugins::default_plugin_folder());
  plugins.insert(plugins.end(), arguments.plugins.begin(), arguments.plugins.end());
  return bench::program_identity({this_program(), rank_program()}, plugins);
}

/// The devices that can be used here: [{"kind", "name", "memory_bytes"}].
Json devices(const bench::OutFolder& out, launch::Signals& signals) {
  const std::string answer = out.path() + "/runs/devices.json",
                    log = out.path() + "/runs/devices.log";
  bench::run_child({.words = {this_program(), "plugins", "--devices", "--json"},
                    .out_file = answer,
                    .err_file = log,
                    .timeout = 60},
                   signals);
  Json all = Json::array();
  const Json listed =
      bench::at_path(bench::parse(bench::read_some(answer, kLargestAnswer)), "plugins");
  if (!listed.is_array()) return all;
  for (const Json& plugin : listed) {
    if (bench::at_path(plugin, "kind") != "device" || !plugin.value("usable", false)) continue;
    for (const Json& device : plugin.value("devices", Json::array())) {
      all.push_back({{"kind", bench::at_path(plugin, "id")},
                     {"name", bench::at_path(device, "name")},
                     {"memory_bytes", bench::at_path(device, "memory_bytes")}});
    }
  }
  return all;
}

std::string absolute(const std::string& path) {
  return fs::absolute(path).lexically_normal().string();
}

bench::Report::Files report_files(const BenchArguments& arguments, const bench::OutFolder& out) {
  bench::Report::Files files{{out.path() + "/results.json"}, {out.path() + "/results.csv"}};
  if (!arguments.json.empty()) files.json.push_back(absolute(arguments.json));
  if (!arguments.csv.empty()) files.csv.push_back(absolute(arguments.csv));
  return files;
}

int ended(const bench::Report& report, const bench::Runner& runner, const std::string& out) {
  const std::string found =
      report.reused() > 0 ? fmt::format(", {} of them from earlier commands", report.reused()) : "";
  const std::string failed = report.failed() > 0 ? fmt::format(", {} FAILED", report.failed()) : "";
  fmt::print(stderr, "{} run{}{}{}; results: {}/results.json\n", report.runs(),
             report.runs() == 1 ? "" : "s", found, failed, out);
  if (report.failed() > 0) {
    fmt::print(stderr, "what the first failure said: {}/{}\n", out, report.log_of_failure());
  }
  if (runner.interrupted() != 0) {
    fmt::print(stderr, "interrupted; the same command goes on from here\n");
    return kSignalled + runner.interrupted();
  }
  return report.failed() > 0 ? static_cast<int>(Failure::kRun) : 0;
}

/// The command's usage and the script's own options.
int show_help(const BenchArguments& arguments, const std::string& file, const std::string& source) {
  bench::ScriptOptions options({});
  bench::declare_options(source, file, options);
  const std::string own = options.help();
  fmt::print("{}\n{}{}{}", arguments.usage, about(source),
             own.empty() ? "" : "\nOptions of the script (name=value):\n", own);
  return 0;
}

}  // namespace

int bench_command(const BenchArguments& arguments) {
  const std::string file = find_script(arguments.script);
  const std::string source = recipe::read_recipe(file);
  if (arguments.help) return show_help(arguments, file, source);
  const std::string name = fs::path(file).stem().string();
  bench::ScriptOptions options(arguments.options);
  launch::Signals signals;
  const std::string folder = arguments.out.empty() ? "runs/bench/" + name : arguments.out;
  bench::OutFolder out(folder);
  bench::Runner runner(
      {out, signals, this_program(), identity(arguments), arguments.plugins, arguments.fresh});
  const telemetry::Screen screen = process_screen();
  bench::Progress progress(screen, terminal_height());
  Json machine = bench::machine_facts();
  machine["devices"] = devices(out, signals);
  bench::Report report(report_files(arguments, out), {{"script", arguments.script},
                                                      {"options", arguments.options},
                                                      {"machine", machine},
                                                      {"load_at_begin", bench::load_now()}});
  try {
    bench::Script({runner, progress, report, options, machine, find_recipe, screen.out})
        .run(source, file);
  } catch (const Error&) {
    progress.finish();
    report.write();
    if (runner.interrupted() == 0) throw;
  }
  report.set_fact("options", options.values());
  report.write();
  return ended(report, runner, out.path());
}

}  // namespace trainhost::cli
