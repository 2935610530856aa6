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

const std::vector<std::string> kCommands = {"describe", "prove",   "resume",  "predict",
                                            "export",   "plugins", "recipes", "check-plugin",
                                            "doctor",   "bench",   "help",    "version"};

constexpr const char* kHelp = R"(trainhost trains a model on many devices, as a Lua recipe says.

Usage:
  trainhost RECIPE [key=value…] [--run-dir DIR] [--plugin FILE]…   train
  trainhost resume RUN [key=value…]        go on from the newest checkpoint of a run directory
  trainhost predict RUN|DIR … --output FILE   put a trained model to use
  trainhost export RUN --to DIR            the trained model for other programs
  trainhost describe RECIPE [key=value…]   what a run would do, a column for each number of ranks
  trainhost prove RECIPE [key=value…]      show that every strategy gives the same bits
  trainhost recipes                        list the installed recipes; `recipes copy NAME` takes one
  trainhost plugins                        list devices, strategies and models, and why others are not
  trainhost check-plugin FILE              check a plugin before using it
  trainhost bench SCRIPT.lua [name=value…] runs and compares recipes, as a Lua script says
  trainhost doctor                         what this machine has, what is missing, how to get it
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

// "; did you mean '--run-dir'?" for the first word that the command does not know.
std::string option_hint(const ::CLI::App& app) {
  std::vector<std::string> known;
  for (const ::CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) known.push_back(name);
  }
  for (const std::string& word : app.remaining()) {
    if (!word.starts_with("--")) continue;
    const std::string near = recipe::nearest(word.substr(2, word.find('=') - 2), known);
    if (!near.empty()) return "; did you mean '--" + near + "'?";
  }
  return {};
}

// Parses, or gives the help text that was asked for.
std::optional<Text> parse(::CLI::App& app, std::vector<std::string> words) {
  const std::string help = "see `" + app.get_name() + " --help`";
  std::ranges::reverse(words);  // as the library wants them
  try {
    app.parse(words);
  } catch (const ::CLI::CallForHelp&) {
    return Text{app.help()};
  } catch (const ::CLI::ExtrasError& error) {
    refuse(error.what() + option_hint(app), help);
  } catch (const ::CLI::ParseError& error) {
    refuse(error.what(), help);
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

void add_recipe(::CLI::App& app, std::string& recipe, std::vector<std::string>& overrides) {
  app.add_option("RECIPE", recipe, "A Lua file, or the name of an installed recipe")
      ->required()
      ->type_name("");
  app.add_option("key=value", overrides,
                 "What to change of it, such as train.epochs=3 or devices=2")
      ->type_name("");
}

void add_plugins(::CLI::App& app, std::vector<std::string>& plugins) {
  app.add_option("--plugin", plugins, "A plugin's file; may be given several times")
      ->allow_extra_args(false)
      ->type_name("FILE");
}

Arguments parse_run(const std::vector<std::string>& words) {
  RunArguments out;
  ::CLI::App app("Trains as the recipe says.", "trainhost");
  app.footer("Example:\n  trainhost quickstart devices=2 train.epochs=3 --run-dir /tmp/try");
  add_recipe(app, out.recipe, out.overrides);
  app.add_option("--run-dir", out.run_directory, "Keep the run in this folder instead of runs/NAME")
      ->type_name("DIR");
  add_plugins(app, out.plugins);
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

std::int64_t positive(std::int64_t value, const char* option, std::int64_t most) {
  if (value >= 1 && value <= most) return value;
  refuse(std::string(option) + " does not fit: " + std::to_string(value),
         "give a number from 1 to " + std::to_string(most));
}

Arguments parse_describe(const std::vector<std::string>& words) {
  DescribeArguments out;
  std::string worlds = "1,2,4,8";
  ::CLI::App app(
      "Says what a run would do and need, for each number of ranks and each strategy: batches and "
      "rates, bytes of a rank and bytes sent. With --probe and --measure it opens devices.",
      "trainhost describe");
  app.footer("Example:\n  trainhost describe quickstart --world 1,2,4 --probe");
  add_recipe(app, out.recipe, out.overrides);
  app.add_option("--world", worlds, "Numbers of ranks (default 1,2,4,8)")->type_name("N,N");
  app.add_flag("--probe", out.probe,
               "Train a few steps alone, on CPU: activations and the time of a step, predicted");
  app.add_flag("--measure", out.measure,
               "Train a few steps under each strategy, on CPU: bytes and time beside the claims");
  app.add_option("--steps", out.steps, "Steps that are timed (default 5)")->type_name("K");
  add_plugins(app, out.plugins);
  app.add_flag("--json", out.json, "For scripts");
  if (auto text = parse(app, words)) return *text;
  check_overrides(out.overrides);
  out.worlds = parse_worlds(worlds);
  positive(out.steps, "--steps", 1000);
  return out;
}

Arguments parse_prove(const std::vector<std::string>& words) {
  ProveArguments out;
  ::CLI::App app(
      "Trains a few steps under every strategy with exact sums, and compares parameters, optimizer "
      "states and losses bit for bit; exit code 1 where they differ.",
      "trainhost prove");
  app.footer("Example:\n  trainhost prove quickstart --world 4 --steps 5");
  add_recipe(app, out.recipe, out.overrides);
  app.add_option("--world", out.world, "Ranks (default 2)")->type_name("N");
  app.add_option("--steps", out.steps, "Steps of each objective (default 3)")->type_name("K");
  app.add_flag("--quick", out.quick,
               "Each strategy once, without offload and activation checkpointing");
  app.add_flag("--fast", out.fast,
               "Fast sums, as in training: losses and the first gradients' norms to 1e-5");
  add_plugins(app, out.plugins);
  app.add_flag("--json", out.json, "For scripts");
  if (auto text = parse(app, words)) return *text;
  check_overrides(out.overrides);
  positive(out.world, "--world", 64);
  positive(out.steps, "--steps", 1000);
  return out;
}

Arguments parse_doctor(const std::vector<std::string>& words) {
  DoctorArguments out;
  ::CLI::App app("Says what this machine has, what is missing, and how to get it.",
                 "trainhost doctor");
  add_plugins(app, out.plugins);
  app.add_flag("--json", out.json, "For scripts");
  if (auto text = parse(app, words)) return *text;
  return out;
}

Arguments parse_resume(const std::vector<std::string>& words) {
  ResumeArguments out;
  ::CLI::App app("Goes on from the newest whole checkpoint of a run.", "trainhost resume");
  app.footer("Example:\n  trainhost resume runs/kgat-amazon-book train.epochs=200");
  app.add_option("RUN", out.run_directory, "The run directory, such as runs/NAME")
      ->required()
      ->type_name("");
  app.add_option("key=value", out.overrides, "What to change: train.epochs, data.dir, devices, …")
      ->type_name("");
  app.add_option("--checkpoint", out.checkpoint,
                 "Go on from this one, such as step-120, instead of the newest")
      ->type_name("NAME");
  add_plugins(app, out.plugins);
  if (auto text = parse(app, words)) return *text;
  check_overrides(out.overrides);
  return out;
}

void add_trained_model(::CLI::App& app, TrainedModel& model) {
  app.add_option("RUN", model.run_directory,
                 "The run directory, such as runs/NAME, or a folder that a model opens")
      ->required()
      ->type_name("");
  ::CLI::Option* last = app.add_flag("--last", model.last, "Take the newest checkpoint");
  app.add_option("--checkpoint", model.checkpoint,
                 "Take this one, such as step-120, instead of the best model")
      ->type_name("NAME")
      ->excludes(last);
  add_plugins(app, model.plugins);
}

// What places the run, and what is asked of the model, come in one list.
void sort_words(const std::vector<std::string>& words, TrainedModel& model,
                std::vector<std::string>* options) {
  check_overrides(words);
  for (const std::string& word : words) {
    const std::string key = word.substr(0, word.find('='));
    const bool places = key == "devices" || key == "precision" || key.starts_with("data.") ||
                        key.starts_with("model.");
    if (places || options == nullptr) {
      model.overrides.push_back(word);
    } else {
      options->push_back(word);
    }
  }
}

Arguments parse_predict(const std::vector<std::string>& words) {
  PredictArguments out;
  std::vector<std::string> given;
  std::string users, k, input, similarity;
  bool with_train_items = false, token_ids = false;
  ::CLI::App app(
      "Puts the best model of a run to use, or one in a folder of sentence-transformers.",
      "trainhost predict");
  app.footer(
      "Examples (SBERT; embeddings as a NumPy array, a row for each line):\n"
      "  trainhost predict runs/sts --input sentences.txt --output embeddings.npy\n"
      "  trainhost predict models/all-MiniLM-L6-v2 --similarity pairs.tsv --output scores.tsv\n"
      "  trainhost predict models/all-MiniLM-L6-v2 --input sentences.txt --token-ids --output -\n"
      "Examples (KGAT; columns user, rank, item, score, and names where the data have them):\n"
      "  trainhost predict runs/books --users 1,2,3 -k 20 --output top.csv\n"
      "  trainhost predict runs/books --users @ids.txt --output - data.dir=/data/books");
  add_trained_model(app, out.model);
  app.add_option(
         "key=value", given,
         "What the model is asked (k=20 is the same as -k 20); data.dir, devices, precision")
      ->type_name("");
  app.add_option("--output", out.output, "Write to this file; - is stdout")
      ->required()
      ->type_name("FILE");
  app.add_option("--users", users, "1,2,3, all, or @FILE with one id a line")->type_name("IDS");
  app.add_option("-k,--top", k, "How many items for each user (default 20)")->type_name("N");
  app.add_flag("--with-train-items", with_train_items,
               "Rank the items that the user is known to have chosen too");
  app.add_option("--input", input, "Texts, one a line")->type_name("FILE");
  app.add_option("--similarity", similarity, "Pairs of texts, two columns with a tab between")
      ->type_name("FILE");
  app.add_flag("--token-ids", token_ids, "Ids instead of embeddings, a JSON list for each line");
  if (auto text = parse(app, words)) return *text;
  sort_words(given, out.model, &out.options);
  if (app.count("--users") > 0) out.options.push_back("users=" + users);
  if (app.count("-k") > 0) out.options.push_back("k=" + k);
  if (with_train_items) out.options.push_back("with_train_items=true");
  if (!input.empty()) out.options.push_back("input=@" + input);
  if (!similarity.empty()) out.options.push_back("similarity=@" + similarity);
  if (token_ids) out.options.push_back("token_ids=true");
  return out;
}

Arguments parse_export(const std::vector<std::string>& words) {
  ExportArguments out;
  std::vector<std::string> given;
  ::CLI::App app("Writes the best model of a run for other programs: safetensors and JSON.",
                 "trainhost export");
  app.footer("Example:\n  trainhost export runs/books --to exported");
  add_trained_model(app, out.model);
  app.add_option("key=value", given, "data.dir, devices")->type_name("");
  app.add_option("--to", out.to, "A folder that is new or empty")->required()->type_name("DIR");
  if (auto text = parse(app, words)) return *text;
  sort_words(given, out.model, nullptr);
  return out;
}

Arguments parse_plugins(const std::vector<std::string>& words) {
  PluginsArguments out;
  ::CLI::App app("Lists the plugins there are, and for each refused file every reason.",
                 "trainhost plugins");
  app.footer(
      "Plugins are looked for in --plugin FILE, in the folders of TRAINHOST_PLUGIN_PATH, and "
      "in the install.");
  add_plugins(app, out.plugins);
  app.add_flag("--json", out.json, "For scripts");
  app.add_flag("--devices", out.devices, "Only devices, with what each finds");
  if (auto text = parse(app, words)) return *text;
  return out;
}

Arguments parse_check_plugin(const std::vector<std::string>& words) {
  CheckPluginArguments out;
  std::string worlds = "1,2,3,4";
  ::CLI::App app(
      "Checks that a plugin keeps what its kind promises, each check in a process of its "
      "own; exit code 3 where one fails or crashes.",
      "trainhost check-plugin");
  app.footer(
      "Examples:\n"
      "  trainhost check-plugin ./my_strategy.so --quick\n"
      "  trainhost check-plugin ./my_strategy.so --only checkpoint --set strategy.bucket_mb=1\n"
      "  trainhost check-plugin ./my_model.so --set data.dir=/data/books --json");
  app.add_option("FILE", out.file, "The plugin's file")->required()->type_name("");
  app.add_option("--only", out.only, "Run these checks, or all of a group (checkpoint,leaks)")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("NAME");
  app.add_flag("--quick", out.quick, "Only the checks that take a second or two in all");
  app.add_flag("--list", out.list, "Say which checks there are for this file");
  app.add_option("--seed", out.seed, "Of parameters and data (default 1)")->type_name("S");
  app.add_option("--worlds", worlds, "Numbers of ranks (default 1,2,3,4)")->type_name("N,N");
  app.add_option("--device", out.device,
                 "What strategies and models are tried on: a kind, or a file (default cpu)")
      ->type_name("KIND");
  app.add_option("--set", out.overrides,
                 "For the recipes of the checks, such as data.dir=DIR; may be given several times")
      ->allow_extra_args(false)
      ->type_name("KEY=VALUE");
  app.add_flag("--json", out.json, "For scripts");
  if (auto text = parse(app, words)) return *text;
  check_overrides(out.overrides);
  out.worlds = parse_worlds(worlds);
  for (const std::int64_t world : out.worlds) positive(world, "--worlds", 64);
  return out;
}

Arguments parse_recipes(const std::vector<std::string>& words) {
  RecipesArguments out;
  ::CLI::App app("Lists the installed recipes, or copies one to change it.", "trainhost recipes");
  app.footer("Example:\n  trainhost recipes copy quickstart");
  ::CLI::App* copy = app.add_subcommand("copy", "Copies a recipe into a folder");
  copy->add_option("NAME", out.copy, "The recipe's name")->required()->type_name("");
  copy->add_option("DIR", out.to, "Where to (default: here)")->type_name("");
  if (auto text = parse(app, words)) return *text;
  return out;
}

Arguments parse_bench(const std::vector<std::string>& words) {
  BenchArguments out;
  ::CLI::App app(
      "Runs recipes as a Lua script says, each run a process of its own, and compares them. What "
      "has "
      "succeeded is kept: the same command goes on where it stopped.",
      "trainhost bench");
  app.footer(
      "Examples:\n  trainhost bench compare_strategies data_dir=/data/dbbook2014 devices=2 "
      "repeats=3\n"
      "  trainhost bench scaling --help");
  app.set_help_flag();
  app.add_flag("-h,--help", out.help, "This, and the script's own options");
  app.add_option("SCRIPT", out.script, "A Lua file, or the name of an installed script")
      ->type_name("");
  app.add_option("name=value", out.options, "The script's options")->type_name("");
  app.add_option("--out", out.out, "Keep everything in this folder instead of runs/bench/SCRIPT")
      ->type_name("DIR");
  app.add_option("--json", out.json, "Write results.json here as well")->type_name("FILE");
  app.add_option("--csv", out.csv, "Write results.csv here as well")->type_name("FILE");
  app.add_flag("--fresh", out.fresh, "Make every run anew");
  add_plugins(app, out.plugins);
  if (auto text = parse(app, words)) return *text;
  out.usage = app.help();
  if (out.help && out.script.empty()) return Text{out.usage};
  if (out.script.empty()) refuse("the script is missing", "see `trainhost bench --help`");
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
  if (first == "prove") return parse_prove(rest);
  if (first == "resume") return parse_resume(rest);
  if (first == "predict") return parse_predict(rest);
  if (first == "export") return parse_export(rest);
  if (first == "doctor") return parse_doctor(rest);
  if (first == "plugins") return parse_plugins(rest);
  if (first == "check-plugin") return parse_check_plugin(rest);
  if (first == "recipes") return parse_recipes(rest);
  if (first == "bench") return parse_bench(rest);
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
