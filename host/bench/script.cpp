#include "host/bench/script.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "host/bench/case_result.h"
#include "host/bench/run_result.h"
#include "host/bench/script_arguments.h"
#include "host/bench/script_library.h"
#include "host/bench/table.h"
#include "host/telemetry/text_layout.h"

namespace trainhost::bench {
namespace {

constexpr const char* kRun = R"([
  {"name": "label", "type": "string", "default": ""},
  {"name": "repeats", "type": "int", "default": 1, "min": 1, "max": 1000},
  {"name": "warmup", "type": "int", "default": 0, "min": 0, "max": 100},
  {"name": "timeout", "type": "number", "default": 0, "min": 0},
  {"name": "keep", "type": "bool", "default": false}])";
constexpr const char* kSweep = R"([
  {"name": "recipe", "type": "string", "default": ""}, {"name": "base", "type": "any", "optional": true},
  {"name": "vary", "type": "any", "optional": true}, {"name": "cases", "type": "any", "optional": true},
  {"name": "repeats", "type": "int", "default": 1, "min": 1, "max": 1000},
  {"name": "warmup", "type": "int", "default": 0, "min": 0, "max": 100},
  {"name": "order", "type": "string", "default": "ABBA", "one_of": ["ABBA", "ABAB", "AABB"]},
  {"name": "timeout", "type": "number", "default": 0, "min": 0},
  {"name": "keep", "type": "bool", "default": false}])";
constexpr const char* kDescribe = R"([
  {"name": "world", "type": "list<int>", "default": [2], "min": 1, "max": 100000, "min_items": 1},
  {"name": "probe", "type": "bool", "default": false}, {"name": "measure", "type": "bool", "default": false},
  {"name": "steps", "type": "int", "default": 5, "min": 1, "max": 1000}])";
constexpr const char* kProve = R"([
  {"name": "world", "type": "int", "default": 2, "min": 1, "max": 64},
  {"name": "steps", "type": "int", "default": 3, "min": 1, "max": 1000},
  {"name": "quick", "type": "bool", "default": true}])";
constexpr const char* kTable = R"([
  {"name": "rows", "type": "any"}, {"name": "columns", "type": "any"},
  {"name": "title", "type": "string", "default": ""}, {"name": "file", "type": "string", "default": ""}])";
constexpr const char* kColumn = R"([
  {"name": "key", "type": "string"}, {"name": "title", "type": "string", "default": ""},
  {"name": "decimals", "type": "int", "default": -1, "min": -1, "max": 9}])";
constexpr const char* kPlot = R"([
  {"name": "rows", "type": "any"}, {"name": "file", "type": "string"},
  {"name": "kind", "type": "string", "default": "bars", "one_of": ["bars", "lines"]},
  {"name": "x", "type": "string"}, {"name": "y", "type": "string"},
  {"name": "series", "type": "string", "default": ""}, {"name": "errors", "type": "bool", "default": true},
  {"name": "title", "type": "string", "default": ""}, {"name": "x_label", "type": "string", "default": ""},
  {"name": "y_label", "type": "string", "default": ""},
  {"name": "width", "type": "int", "default": 720, "min": 200, "max": 4000},
  {"name": "height", "type": "int", "default": 420, "min": 150, "max": 4000}])";

// A recipe that is refused once is refused every time.
bool is_refusal(const Json& run) {
  const Json code = at_path(run, "exit_code");
  return code == static_cast<int>(Failure::kUser) || code == static_cast<int>(Failure::kPlugin);
}

std::vector<Json> rows_of(const Value& table, const char* function) {
  const Value rows = member(table, "rows");
  std::vector<Json> out;
  // A list of none is an empty table in Lua.
  if (const auto* empty = std::get_if<Table>(&rows.data); empty != nullptr && empty->empty()) {
    return out;
  }
  const auto* list = std::get_if<List>(&rows.data);
  if (list == nullptr) {
    throw Error(Failure::kUser,
                {.what = std::string(function) + ": rows must be a list of tables"});
  }
  for (const Value& row : *list) out.push_back(to_json(row));
  return out;
}

std::vector<Column> columns_of(const Value& table) {
  const Value columns = member(table, "columns");
  const auto* list = std::get_if<List>(&columns.data);
  if (list == nullptr) {
    throw Error(Failure::kUser,
                {.what = "bench.table: columns must be a list",
                 .fix = R"(such as { "label", { key = "samples_per_s", title = "samples/s" } })"});
  }
  std::vector<Column> out;
  for (const Value& item : *list) {
    if (const auto* key = std::get_if<std::string>(&item.data)) {
      out.push_back({*key, "", -1});
      continue;
    }
    const Value column = table_argument({item}, 0, "bench.table's column", kColumn);
    out.push_back({text_member(column, "key"), text_member(column, "title"),
                   static_cast<int>(whole_member(column, "decimals"))});
  }
  return out;
}

std::string words_text(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

}  // namespace

void Script::run(const std::string& source, const std::string& file) {
  recipe::Sandbox sandbox;
  sandbox.run_script(source, file, library());
  parts_.options.check_all_known();
}

recipe::HostLibrary Script::library() {
  const auto function = [this](const char* name, Value (Script::*member)(const Arguments&)) {
    return recipe::HostFunction{name, [this, member](const Arguments& arguments) {
                                  begin_work();
                                  return (this->*member)(arguments);
                                }};
  };
  return {"bench",
          {option_function(parts_.options), machine_function(parts_.machine), spread_function(),
           function("run", &Script::run_recipe), function("sweep", &Script::sweep),
           function("describe", &Script::describe), function("prove", &Script::prove),
           function("table", &Script::table), function("plot", &Script::plot),
           function("print", &Script::print), function("write", &Script::write)}};
}

/// Every function that does something: by then all options are declared.
void Script::begin_work() {
  parts_.options.check_all_known();
  parts_.runner.check_signals();
}

Value Script::run_recipe(const Arguments& arguments) {
  const Value options = table_argument(arguments, 2, "bench.run", kRun);
  Case which{.label = text_member(options, "label"),
             .recipe = text_argument(arguments, 0, "bench.run", "a recipe"),
             .overrides = {}};
  if (arguments.size() > 1) which.overrides = override_words(arguments[1]);
  if (which.label.empty()) {
    which.label = std::filesystem::path(which.recipe).stem().string();
    if (!which.overrides.empty()) which.label += " " + words_text(which.overrides);
  }
  return to_value(run_cases({which}, {.repeats = whole_member(options, "repeats"),
                                      .warmup = whole_member(options, "warmup"),
                                      .timeout = real_member(options, "timeout"),
                                      .keep = bool_member(options, "keep")})
                      .front());
}

Value Script::sweep(const Arguments& arguments) {
  const Value given = table_argument(arguments, 0, "bench.sweep", kSweep);
  const std::vector<Case> cases = cases_of(text_member(given, "recipe"), member(given, "base"),
                                           member(given, "vary"), member(given, "cases"));
  Json out = Json::array();
  for (Json& result : run_cases(cases, {.repeats = whole_member(given, "repeats"),
                                       .warmup = whole_member(given, "warmup"),
                                       .order = order_of(text_member(given, "order")),
                                       .timeout = real_member(given, "timeout"),
                                       .keep = bool_member(given, "keep")})) {
    out.push_back(std::move(result));
  }
  return to_value(out);
}

std::vector<Json> Script::run_cases(const std::vector<Case>& cases, const Repeats& how) {
  std::vector<Progress::Row> rows;
  std::vector<RunRequest> requests;
  for (const Case& one : cases) {
    rows.push_back({one.label, how.warmup + how.repeats});
    RunRequest& request = requests.emplace_back();
    request.label = one.label;
    request.recipe = parts_.find_recipe(one.recipe);
    request.words = {one.recipe};
    request.words.insert(request.words.end(), one.overrides.begin(), one.overrides.end());
    request.timeout = how.timeout;
    request.keep = how.keep;
  }
  parts_.progress.begin(std::move(rows));
  std::vector<std::vector<Json>> runs(cases.size());
  std::set<std::size_t> refused;
  for (const Turn& turn : turns_of(cases.size(), how.warmup, how.repeats, how.order)) {
    if (refused.contains(turn.which)) continue;
    RunRequest& request = requests[turn.which];
    request.repeat = turn.repeat;
    request.warmup = turn.warmup;
    parts_.progress.start(turn.which, turn.repeat, turn.warmup, parts_.runner.is_known(request));
    const Json run =
        parts_.runner.run(request, [this](double seconds) { parts_.progress.tick(seconds); });
    runs[turn.which].push_back(run);
    parts_.report.add_run(run);
    parts_.report.write();
    parts_.progress.end(run);
    if (!is_refusal(run)) continue;
    refused.insert(turn.which);
    parts_.progress.skip(turn.which, how.warmup + how.repeats - std::ssize(runs[turn.which]));
  }
  parts_.progress.finish();
  std::vector<Json> out;
  for (std::size_t c = 0; c < cases.size(); ++c) {
    out.push_back(case_result(cases[c], runs[c]));
    parts_.report.add_case(out.back());
  }
  return out;
}

Json Script::ask(const std::string& label, const std::string& recipe,
                 std::vector<std::string> words) {
  RunRequest request;
  request.kind = RunRequest::Kind::kAsk;
  request.label = label;
  request.recipe = parts_.find_recipe(recipe);
  request.words = std::move(words);
  parts_.progress.begin({{label, 1}});
  parts_.progress.start(0, 1, false, parts_.runner.is_known(request));
  const Json run =
      parts_.runner.run(request, [this](double seconds) { parts_.progress.tick(seconds); });
  parts_.report.add_run(run);
  parts_.report.write();
  parts_.progress.end(run);
  parts_.progress.finish();
  return run;
}

Value Script::describe(const Arguments& arguments) {
  const Value how = table_argument(arguments, 2, "bench.describe", kDescribe);
  const std::string recipe = text_argument(arguments, 0, "bench.describe", "a recipe");
  std::vector<std::string> words{"describe", recipe};
  if (arguments.size() > 1) {
    for (std::string& word : override_words(arguments[1])) words.push_back(std::move(word));
  }
  std::string worlds;
  for (const std::int64_t world : Options(how, "").integers("world")) {
    worlds += (worlds.empty() ? "" : ",") + std::to_string(world);
  }
  words.insert(words.end(), {"--json", "--world", worlds, "--steps",
                             std::to_string(whole_member(how, "steps"))});
  if (bool_member(how, "probe")) words.push_back("--probe");
  if (bool_member(how, "measure")) words.push_back("--measure");
  return to_value(ask("describe", recipe, std::move(words)));
}

Value Script::prove(const Arguments& arguments) {
  const Value how = table_argument(arguments, 2, "bench.prove", kProve);
  const std::string recipe = text_argument(arguments, 0, "bench.prove", "a recipe");
  std::vector<std::string> words{"prove", recipe};
  if (arguments.size() > 1) {
    for (std::string& word : override_words(arguments[1])) words.push_back(std::move(word));
  }
  words.insert(words.end(), {"--json", "--world", std::to_string(whole_member(how, "world")),
                             "--steps", std::to_string(whole_member(how, "steps"))});
  if (bool_member(how, "quick")) words.push_back("--quick");
  return to_value(ask("prove", recipe, std::move(words)));
}

Value Script::table(const Arguments& arguments) {
  const Value given = table_argument(arguments, 0, "bench.table", kTable);
  const std::vector<Json> rows = rows_of(given, "bench.table");
  const std::vector<Column> columns = columns_of(given);
  const std::string title = text_member(given, "title"), file = text_member(given, "file");
  const std::string text = table_text(rows, columns, TableForm::kText);
  parts_.progress.finish();
  parts_.print((title.empty() ? "" : title + "\n") + text + "\n");
  if (!file.empty()) {
    const TableForm form = file.ends_with(".md") ? TableForm::kMarkdown : TableForm::kText;
    parts_.runner.places().out.write(file, table_text(rows, columns, form));
  }
  Value out;
  out.data = text;
  return out;
}

Value Script::plot(const Arguments& arguments) {
  const Value given = table_argument(arguments, 0, "bench.plot", kPlot);
  PlotRequest request;
  request.file = text_member(given, "file");
  request.kind =
      text_member(given, "kind") == "bars" ? PlotRequest::Kind::kBars : PlotRequest::Kind::kLines;
  request.x = text_member(given, "x");
  request.y = text_member(given, "y");
  request.series = text_member(given, "series");
  request.errors = bool_member(given, "errors");
  request.title = text_member(given, "title");
  request.x_label = text_member(given, "x_label");
  request.y_label = text_member(given, "y_label");
  request.width = static_cast<int>(whole_member(given, "width"));
  request.height = static_cast<int>(whole_member(given, "height"));
  const PlotFiles files = plot_files(request, rows_of(given, "bench.plot"));
  const OutFolder& out = parts_.runner.places().out;
  out.write(request.file + ".dat", files.data);
  const std::string commands = out.write(request.file + ".gp", files.commands);
  draw(commands.substr(0, commands.size() - 3));
  return {};
}

/// Pictures beside the data; without gnuplot, or where it fails, the data are there all the same.
void Script::draw(const std::string& base) {
  if (no_gnuplot_) return;
  const std::filesystem::path path(base);
  const ChildEnd end = run_child({.words = {"gnuplot", path.filename().string() + ".gp"},
                                  .out_file = base + ".log",
                                  .err_file = base + ".log",
                                  .folder = path.parent_path().string(),
                                  .timeout = 60},
                                 parts_.runner.places().signals);
  parts_.runner.take_note(end);
  if (end.missing) {
    no_gnuplot_ = true;
    std::filesystem::remove(base + ".log");
    parts_.progress.warning(
        "no pictures: there is no gnuplot (apt-get install gnuplot-nox); the data are kept as "
        ".dat and .gp files in " +
        path.parent_path().string());
    return;
  }
  if (end.exit_code == 0) {
    std::filesystem::remove(base + ".log");
    parts_.progress.info("picture: " + base + ".svg, .png");
    return;
  }
  parts_.progress.warning("gnuplot could not draw " + base + ".gp: see " + base + ".log");
}

Value Script::print(const Arguments& arguments) {
  std::string line;
  for (const Value& argument : arguments) {
    line += (line.empty() ? "" : " ");
    const auto* text = std::get_if<std::string>(&argument.data);
    line += text != nullptr ? *text : cell_text(to_json(argument), -1);
  }
  parts_.progress.finish();
  parts_.print(line + "\n");
  return {};
}

Value Script::write(const Arguments& arguments) {
  const std::string name = text_argument(arguments, 0, "bench.write", "a file's name");
  Value out;
  out.data =
      parts_.runner.places().out.write(name, text_argument(arguments, 1, "bench.write", "a text"));
  return out;
}

}  // namespace trainhost::bench
