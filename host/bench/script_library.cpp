#include "host/bench/script_library.h"

#include "host/bench/machine.h"
#include "host/bench/script_arguments.h"
#include "host/bench/statistics.h"

namespace trainhost::bench {
namespace {

constexpr const char* kOption = R"([
  {"name": "name", "type": "string"}, {"name": "default", "type": "any", "optional": true},
  {"name": "help", "type": "string", "default": ""}, {"name": "type", "type": "string", "optional": true},
  {"name": "choices", "type": "any", "optional": true}])";

}  // namespace

recipe::HostFunction option_function(ScriptOptions& options) {
  return {"option",
          [&options](const std::vector<Value>& arguments) {
            const Value given = table_argument(arguments, 0, "bench.option", kOption);
            return to_value(options.declare(to_json(given)));
          },
          "options"};
}

recipe::HostFunction machine_function(const Json& machine) {
  return {"machine", [machine](const std::vector<Value>&) { return to_value(machine); }};
}

recipe::HostFunction spread_function() {
  return {"spread", [](const std::vector<Value>& arguments) {
            std::vector<double> values;
            const Json list = arguments.empty() ? Json::array() : to_json(arguments[0]);
            for (const Json& item : list) values.push_back(number_of(item));
            return to_value(to_json(spread_of(values)));
          }};
}

void declare_options(const std::string& source, const std::string& file, ScriptOptions& options) {
  recipe::HostLibrary library{
      "bench", {option_function(options), machine_function(machine_facts()), spread_function()}};
  bool stopped = false;
  for (const char* name :
       {"run", "sweep", "describe", "prove", "table", "plot", "print", "write"}) {
    library.functions.push_back({name, [&stopped](const std::vector<Value>&) -> Value {
                                   stopped = true;
                                   throw Error(Failure::kRun, {.what = "all options are known"});
                                 }});
  }
  recipe::Sandbox sandbox;
  try {
    sandbox.run_script(source, file, library);
  } catch (const Error&) {
    if (!stopped) throw;
  }
}

}  // namespace trainhost::bench
