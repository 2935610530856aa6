#include "host/cli/arguments.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <filesystem>
#include <optional>

#include "host/recipe/overrides.h"
#include "host/recipe/text.h"
#include "trainhost/error.h"

namespace trainhost::cli {
namespace {

constexpr std::size_t kMaxWorlds = 64;

const std::vector<std::string> kCommands = {"describe", "resume", "plugins", "check-plugin",
                                            "recipes",  "help",   "version"};

constexpr const char* kHelp = R"(trainhost trains a model on many devices, as a Lua recipe says.

Usage:
  trainhost RECIPE [key=value…] [--run-dir DIR] [--plugin FILE]…   train
  trainhost resume RUN [key=value…]        go on from the newest checkpoint of a run directory
  trainhost describe RECIPE [key=value…]   what a run would do, a column for each number of ranks
  trainhost recipes                        list the installed recipes; `recipes copy NAME` takes one
  trainhost plugins                        list devices, strategies and models, and why others are not
  trainhost check-plugin FILE              check a plugin before using it
  trainhost COMMAND --help                 more about a command
  trainhost --version

Examples:
  trainhost quickstart
  trainhost recipes/kgat_4xT4.lua data.dir=/data/amazon-book devices=2 train.epochs=3
  trainhost resume runs/kgat-amazon-book

A run is kept in runs/NAME/. Ctrl-C writes a checkpoint and ends; twice ends at once.
Exit codes: 0 done; 1 the run failed; 2 usage, recipe or data; 3 plugin; 4 device, LibTorch or
memory; 5 a rank was lost; 130, 143 interrupted.
)";

[[noreturn]] void refuse(const std::string& what, const std::string& fix) {
  throw Error(Failure::kUser, {.where = "command line", .what = what, .fix = fix});
}

// Parses, or gives the help text that was asked for.
std::optional<Text> parse(::CLI::App& app, std::vector<std::string> words) {
  std::ranges::reverse(words);  // as the library wants them
  try {
    app.parse(words);
  } catch (const ::CLI::CallForHelp&) {
    return Text{app.help()};
  } catch (const ::CLI::ParseError& error) {
    refuse(error.what(), "see `trainhost " +
                             (app.get_name() == "RECIPE" ? "" : app.get_name() + " ") + "--help`");
  }
  return std::nullopt;
}

void check_overrides(const std::vector<std::string>& overrides) {
  for (const std::string& word : overrides) {
    if (recipe::looks_like_override(word)) continue;
    refuse("'" + word + "' is no key=value",
           "write overrides as key=value, such as train.epochs=3; one recipe a run");
  }
}

Arguments parse_run(const std::vector<std::string>& words) {
  RunArguments out;
  ::CLI::App app("Trains as the recipe says.", "RECIPE");
  app.add_option("recipe", out.recipe, "A Lua file, or the name of an installed recipe")
      ->required();
  app.add_option("overrides", out.overrides, "key=value, such as devices=2 or train.epochs=3");
  app.add_option("--run-dir", out.run_directory,
                 "Keep the run in this folder instead of runs/NAME");
  app.add_option("--plugin", out.plugins, "A plugin's file; may be given several times")
      ->allow_extra_args(false);
  if (auto text = parse(app, words)) return *text;
  check_overrides(out.overrides);
  return out;
}

std::vector<std::int64_t> parse_worlds(const std::string& list) {
  std::vector<std::int64_t> out;
  std::size_t begin = 0;
  while (begin <= list.size()) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    const std::string word = list.substr(begin, end - begin);
    const bool digits = !word.empty() && word.size() < 7 &&
                        std::ranges::all_of(word, [](char c) { return c >= '0' && c <= '9'; });
    if (!digits || std::stoll(word) == 0 || out.size() == kMaxWorlds) {
      refuse("--world does not understand '" + list + "'",
             "give numbers of ranks, such as --world 1,2,4,8");
    }
    out.push_back(std::stoll(word));
    begin = end + 1;
  }
  return out;
}

Arguments parse_describe(const std::vector<std::string>& words) {
  DescribeArguments out;
  std::string worlds = "1,2,4,8";
  ::CLI::App app("Says what a run would do, a column for each number of ranks; opens no device.",
                 "describe");
  app.footer("Example:\n  trainhost describe quickstart --world 1,2,4");
  app.add_option("recipe", out.recipe, "A Lua file, or the name of an installed recipe")
      ->required();
  app.add_option("overrides", out.overrides, "key=value, such as train.batch=1024");
  app.add_option("--world", worlds, "Numbers of ranks")->capture_default_str();
  app.add_option("--plugin", out.plugins, "A plugin's file")->allow_extra_args(false);
  app.add_flag("--json", out.json, "For scripts");
  if (auto text = parse(app, words)) return *text;
  check_overrides(out.overrides);
  out.worlds = parse_worlds(worlds);
  return out;
}

Arguments parse_resume(const std::vector<std::string>& words) {
  ResumeArguments out;
  ::CLI::App app("Goes on from the newest whole checkpoint of a run.", "resume");
  app.footer("Example:\n  trainhost resume runs/kgat-amazon-book train.epochs=200");
  app.add_option("run", out.run_directory, "The run directory, such as runs/NAME")->required();
  app.add_option("overrides", out.overrides,
                 "key=value of what may change: train.epochs, data.dir, devices, …");
  app.add_option("--plugin", out.plugins, "A plugin's file")->allow_extra_args(false);
  if (auto text = parse(app, words)) return *text;
  check_overrides(out.overrides);
  return out;
}

Arguments parse_plugins(const std::vector<std::string>& words) {
  PluginsArguments out;
  ::CLI::App app("Lists the plugins there are, and for each refused file every reason.", "plugins");
  app.footer(
      "Plugins are looked for in --plugin FILE, in the folders of TRAINHOST_PLUGIN_PATH, and "
      "in the install.");
  app.add_option("--plugin", out.plugins, "A plugin's file")->allow_extra_args(false);
  app.add_flag("--json", out.json, "For scripts");
  app.add_flag("--devices", out.devices, "Only devices, with what each finds");
  if (auto text = parse(app, words)) return *text;
  return out;
}

Arguments parse_check_plugin(const std::vector<std::string>& words) {
  CheckPluginArguments out;
  ::CLI::App app("Checks a plugin's file; exit code 3 where a check fails.", "check-plugin");
  app.footer("Example:\n  trainhost check-plugin ./my_strategy.so");
  app.add_option("file", out.file, "The plugin's file")->required();
  app.add_option("--only", out.only, "Run one check alone");
  app.add_flag("--json", out.json, "For scripts");
  if (auto text = parse(app, words)) return *text;
  return out;
}

Arguments parse_recipes(const std::vector<std::string>& words) {
  RecipesArguments out;
  ::CLI::App app("Lists the installed recipes, or copies one to change it.", "recipes");
  app.footer("Example:\n  trainhost recipes copy quickstart");
  ::CLI::App* copy = app.add_subcommand("copy", "Copies a recipe into a folder");
  copy->add_option("name", out.copy, "The recipe's name")->required();
  copy->add_option("folder", out.to, "Where to (default: here)");
  if (auto text = parse(app, words)) return *text;
  return out;
}

bool may_be_recipe(const std::string& word) {
  std::error_code ignored;
  return word.find('/') != std::string::npos || word.ends_with(".lua") ||
         std::filesystem::exists(word, ignored);
}

}  // namespace

Arguments parse_arguments(const std::vector<std::string>& words) {
  if (words.empty()) refuse("what is to be done is missing\n" + std::string(kHelp), "");
  const std::string& first = words.front();
  const std::vector<std::string> rest(words.begin() + 1, words.end());
  if (first == "--help" || first == "-h" || first == "help") return Text{kHelp};
  if (first == "--version" || first == "version") return Text{"trainhost " TRAINHOST_VERSION "\n"};
  if (first == "describe") return parse_describe(rest);
  if (first == "resume") return parse_resume(rest);
  if (first == "plugins") return parse_plugins(rest);
  if (first == "check-plugin") return parse_check_plugin(rest);
  if (first == "recipes") return parse_recipes(rest);
  if (first.front() != '-' && !may_be_recipe(first)) {
    const std::string near = recipe::nearest(first, kCommands);
    if (!near.empty()) {
      refuse("unknown command '" + first + "'; did you mean '" + near + "'?",
             "see `trainhost --help`");
    }
  }
  return parse_run(words);
}

}  // namespace trainhost::cli
