// Arguments: the command line, parsed.
//
// Threads: pure functions of argv.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace trainhost::cli {

struct RunArguments {
  std::string recipe;
  std::vector<std::string> overrides;  ///< "key=value"
  std::string run_directory;           ///< "": runs/NAME
  std::vector<std::string> plugins;
};
struct DescribeArguments {
  std::string recipe;
  std::vector<std::string> overrides;
  std::vector<std::int64_t> worlds = {1, 2, 4, 8};
  std::vector<std::string> plugins;
  bool probe = false;      ///< predict activations and seconds from a probe
  bool measure = false;    ///< train a few steps under every strategy and world
  std::int64_t steps = 5;  ///< of each objective, for both
  bool json = false;
};
struct ProveArguments {
  std::string recipe;
  std::vector<std::string> overrides;
  std::int64_t world = 2;
  std::int64_t steps = 3;  ///< of each objective
  bool fast = false;       ///< the recipe's fast numerics, compared with a tolerance
  bool quick = false;      ///< each strategy once
  std::vector<std::string> plugins;
  bool json = false;
};
/// An earlier run, and which of its models is meant.
struct TrainedModel {
  std::string run_directory;
  std::string checkpoint;  ///< its folder's name or path
  bool last = false;       ///< the newest checkpoint; neither: the best model
  /// data.dir=… and devices=…, as for resume; precision=…: fp32 without.
  std::vector<std::string> overrides;
  std::vector<std::string> plugins;
};
struct PredictArguments {
  TrainedModel model;
  std::vector<std::string> options;  ///< "key=value" of the model's predict
  std::string output;                ///< "-": stdout
};
struct ExportArguments {
  TrainedModel model;
  std::string to;
};
struct DoctorArguments {
  std::vector<std::string> plugins;
  bool json = false;
};
struct ResumeArguments {
  std::string run_directory;
  std::string checkpoint;  ///< its folder's name or path; "": the newest whole one
  std::vector<std::string> overrides;
  std::vector<std::string> plugins;
};
struct PluginsArguments {
  std::vector<std::string> plugins;
  bool json = false;
  bool devices = false;
};
struct CheckPluginArguments {
  std::string file;
  std::string only;
  bool json = false;
};
struct RecipesArguments {
  std::string copy;  ///< "": list
  std::string to = ".";
};
struct BenchArguments {
  std::string script;                ///< "": only the help that is asked for
  std::vector<std::string> options;  ///< "name=value"
  std::string out;                   ///< "": runs/bench/NAME
  std::string json, csv;             ///< besides those in the out folder; "": none
  std::vector<std::string> plugins;
  bool fresh = false;
  bool help = false;  ///< of the script too
  std::string usage;  ///< of the command
};
/// Help or version: what is to be printed to stdout.
struct Text {
  std::string text;
};

using Arguments =
    std::variant<RunArguments, DescribeArguments, ProveArguments, ResumeArguments, PluginsArguments,
                 CheckPluginArguments, RecipesArguments, DoctorArguments, PredictArguments,
                 ExportArguments, BenchArguments, Text>;

/// `words`: argv without the program. Throws Error (kUser) on anything wrong, with "did you mean".
Arguments parse_arguments(const std::vector<std::string>& words);

}  // namespace trainhost::cli
