#include "host/conformance/model_use.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "host/conformance/bench.h"
#include "host/plugins/child.h"
#include "host/recipe/schema.h"

namespace trainhost::conformance {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using recipe::OptionType;

/// A JSON value as an override writes it; "" for tables.
std::string literal(const Json& value) {
  if (value.is_object() || (value.is_array() && !value.empty() && value.front().is_structured())) {
    return {};
  }
  std::string out = value.dump();
  if (!value.is_array()) return out;
  out.front() = '{';
  out.back() = '}';
  return out;
}

void add_defaults(const std::string& options, const std::string& prefix,
                  std::vector<std::string>& out) {
  for (const Json& option : Json::parse(options)) {
    if (!option.contains("default")) continue;
    const std::string text = literal(option.at("default"));
    if (!text.empty()) out.push_back(prefix + option.at("name").get<std::string>() + "=" + text);
  }
}

/// What a required option beside a path is given.
std::string filler(const recipe::Option& option, const std::string& path) {
  switch (option.type) {
    case OptionType::kPath:
      return "\"" + path + "\"";
    case OptionType::kBool:
      return "true";
    case OptionType::kInt:
    case OptionType::kNumber:
      return fmt::format("{}", option.min.value_or(1));
    case OptionType::kStringList:
      return "{\"1\"}";
    case OptionType::kIntList:
    case OptionType::kNumberList:
      return "{1}";
    default:
      return option.one_of.empty() ? "\"1\"" : "\"" + option.one_of.front() + "\"";
  }
}

/// The data option with a path of this name, however deep: "data.dir=…", "data.train={{file=…}}";
/// "" where the option has none.
std::string word_with_path(const recipe::Option& option, const std::string& path) {
  if (option.type == OptionType::kPath) return "data." + option.name + "=\"" + path + "\"";
  const bool list = option.type == OptionType::kTableList;
  const bool has_path = std::ranges::any_of(option.options, [](const recipe::Option& inner) {
    return inner.type == OptionType::kPath && !inner.preset && !inner.optional;
  });
  if (!list || !has_path) return {};
  std::string table;
  for (const recipe::Option& inner : option.options) {
    if (inner.preset || inner.optional || inner.type == OptionType::kTable) continue;
    table += (table.empty() ? "" : ",") + inner.name + "=" + filler(inner, path);
  }
  return "data." + option.name + "={{" + table + "}}";
}

std::string check_missing_data(const Subject& subject) {
  const recipe::Schema data = recipe::schema_from_json(subject.info().data_json, "data");
  Bench bench(subject, subject.file, {"train.max_steps=1"});
  int tried = 0;
  for (const recipe::Option& option : data) {
    const std::string missing = bench.folder() + "/not-there";
    const std::string word = word_with_path(option, missing);
    if (word.empty()) continue;
    ++tried;
    Variant variant{.label = word, .world = 1};
    variant.overrides = {word};
    variant.directory = bench.folder() + "/run-" + option.name;
    fs::create_directories(variant.directory + "/checkpoints");
    const Bench::Launched run = bench.launch(variant, "train");
    if (!run.ending.failure) {
      if (run.stood_in) continue;
      fail(subject, variant, "the run trained without its data, and announced nothing",
           "Error (Failure::kUser), or Host::announce_stand_in");
    }
    const auto& failure = *run.ending.failure;
    const bool named = failure.reason.find("not-there") != std::string::npos;
    if (failure.failure != Failure::kUser || !named) {
      fail(subject, variant, "data that are not there end the run in another way",
           "Error (Failure::kUser), exit code 2, that names " + missing,
           fmt::format("exit code {}: {}", static_cast<int>(failure.failure), failure.reason));
    }
  }
  if (tried == 0) throw CheckSkipped{"its data have no option that is a path"};
  return fmt::format("{} option(s)", tried);
}

/// The program itself, as a user starts it.
class Program {
 public:
  explicit Program(const Subject& subject) : subject_(subject), bench_(subject, subject.file) {
    char path[4096];
    const ssize_t length = ::readlink("/proc/self/exe", path, sizeof(path));
    program_.assign(path, static_cast<std::size_t>(std::max<ssize_t>(0, length)));
  }

  plugins::ChildResult run(std::vector<std::string> words) const {
    words.insert(words.begin(), program_);
    return plugins::run_program(words, "", subject_.settings.timeout_seconds, true);
  }

  /// Trains a few steps; the run directory.
  std::string trained() {
    const std::string recipe = bench_.folder() + "/check.lua", run = bench_.folder() + "/run";
    std::ofstream(recipe) << bench_.source(Variant{});
    std::vector<std::string> words{recipe, "--run-dir", run, "train.max_steps=2"};
    for (const std::string& word : subject_.settings.overrides) {
      if (!word.starts_with("predict.")) words.push_back(word);
    }
    const plugins::ChildResult ended = this->run(std::move(words));
    if (ended.exit_code != 0) refuse("training two steps", ended);
    return run;
  }

  [[noreturn]] void refuse(const std::string& what, const plugins::ChildResult& ended) const {
    fail(subject_, Variant{}, what + " failed", "exit code 0",
         fmt::format("exit code {}: {}", ended.exit_code, last_words(ended.output)));
  }
  /// The error that the program ended with, on one line.
  static std::string last_words(const std::string& output) {
    const std::size_t error = output.find("trainhost: error:");
    std::string out = output.substr(error == std::string::npos ? 0 : error, 600);
    std::ranges::replace(out, '\n', ' ');
    return out;
  }
  const std::string& folder() const { return bench_.folder(); }

 private:
  const Subject& subject_;
  Bench bench_;
  std::string program_;
};

std::string check_export(const Subject& subject) {
  Program program(subject);
  const std::string run = program.trained(), to = program.folder() + "/exported";
  const plugins::ChildResult ended = program.run({"export", run, "--to", to});
  if (ended.exit_code != 0) program.refuse("export", ended);
  std::error_code ignored;
  const auto files = std::distance(fs::recursive_directory_iterator(to, ignored), {});
  if (files == 0) fail(subject, Variant{}, "export wrote no file");
  return fmt::format("{} files", files);
}

std::string check_predict(const Subject& subject) {
  Program program(subject);
  const std::string run = program.trained(), to = program.folder() + "/predictions";
  std::vector<std::string> words{"predict", run, "--output", to};
  for (const std::string& word : subject.settings.overrides) {
    if (word.starts_with("predict.")) words.push_back(word.substr(8));
  }
  const bool asked = words.size() > 4;
  const plugins::ChildResult ended = program.run(words);
  if (ended.output.find("cannot predict") != std::string::npos) {
    throw CheckSkipped{"the model has no extension trainhost.predict/1"};
  }
  if (ended.exit_code == 2 && !asked) {
    throw CheckSkipped{"say what it is to predict by --set predict.KEY=VALUE; it says: " +
                       Program::last_words(ended.output)};
  }
  if (ended.exit_code != 0) program.refuse("predict", ended);
  std::error_code missing;
  const auto bytes = fs::file_size(to, missing);
  if (missing || bytes == 0) fail(subject, Variant{}, "predict wrote nothing");
  return fmt::format("{} bytes", bytes);
}

}  // namespace

std::vector<std::string> defaults_as_words(const plugins::PluginInfo& model) {
  std::vector<std::string> out;
  add_defaults(model.options_json, "model.", out);
  add_defaults(model.data_json, "data.", out);
  return out;
}

std::vector<Check> use_checks(const Subject&) {
  return {
      {"model.missing-data", "data that are not there end the run in words", check_missing_data},
      {"model.export", "a trained model is exported", check_export},
      {"model.predict", "a trained model predicts", check_predict}};
}

}  // namespace trainhost::conformance
