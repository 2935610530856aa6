// Script: the library `bench` of a benchmark script, and its run.
//
// Purpose: what a script calls becomes runs, tables, pictures and files; README.md describes the
// functions. Owner: the bench command; borrows everything in Parts. Threads: the program's only
// thread.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "host/bench/options.h"
#include "host/bench/plot.h"
#include "host/bench/progress.h"
#include "host/bench/report.h"
#include "host/bench/runner.h"
#include "host/bench/sweep.h"
#include "host/recipe/sandbox.h"

namespace trainhost::bench {

class Script {
 public:
  struct Parts {
    Runner& runner;
    Progress& progress;
    Report& report;
    ScriptOptions& options;
    Json machine;
    std::function<std::string(const std::string& named)> find_recipe;
    std::function<void(std::string_view)> print;  ///< results
  };
  explicit Script(Parts parts) : parts_(std::move(parts)) {}

  /// Throws Error: what the script did wrong, or where a signal has come (runner.interrupted()).
  void run(const std::string& source, const std::string& file);

 private:
  using Arguments = std::vector<Value>;
  recipe::HostLibrary library();
  void begin_work();

  Value run_recipe(const Arguments& arguments);
  Value sweep(const Arguments& arguments);
  Value describe(const Arguments& arguments);
  Value prove(const Arguments& arguments);
  Value table(const Arguments& arguments);
  Value plot(const Arguments& arguments);
  Value print(const Arguments& arguments);
  Value write(const Arguments& arguments);

  struct Repeats {
    std::int64_t repeats = 1, warmup = 0;
    Order order = Order::kThereAndBack;
    double timeout = 0;
    bool keep = false;
  };
  std::vector<Json> run_cases(const std::vector<Case>& cases, const Repeats& how);
  Json ask(const std::string& label, const std::string& recipe, std::vector<std::string> words);
  void draw(const std::string& base);

  Parts parts_;
  bool no_gnuplot_ = false;
};

}  // namespace trainhost::bench
