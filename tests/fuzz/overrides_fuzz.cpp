// The command line's `key=value`, one a line of the input, on a whole recipe:
// host/recipe/overrides.h and all that checks a recipe after it.
#include "fuzz.h"
#include "host/recipe/overrides.h"
#include "host/recipe/recipe.h"

namespace {

using trainhost::plugins::Kind;
using trainhost::plugins::PluginInfo;

constexpr const char* kRecipe = R"(local scale = require "trainhost.scale"
return {
  name = "run",
  model = { "m", dim = 32, dims = { 64, 32 }, more = { epochs = 2 } },
  data = { dir = "data/x" },
  devices = { "cpu", count = 2 },
  optimizer = { "adam", lr = 1e-3 },
  train = { epochs = 3, batch = 2048 },
  scaling = { lr = scale.linear },
}
)";

std::vector<PluginInfo> made() {
  std::vector<PluginInfo> out(3);
  out[0].id = "m", out[0].kind = Kind::kModel;
  out[0].options_json = R"([{"name": "dim", "type": "int", "default": 64, "min": 1},
    {"name": "dims", "type": "list<int>", "default": [1], "max_items": 4},
    {"name": "rate", "type": "number", "default": 0.1, "exclusive_max": 1},
    {"name": "kind", "type": "string", "default": "a", "one_of": ["a", "b"]},
    {"name": "more", "type": "table", "options": [{"name": "epochs", "type": "int", "default": 0}]},
    {"name": "other", "type": "any", "optional": true}])";
  out[0].data_json = R"([{"name": "dir", "type": "path", "optional": true}])";
  out[0].objectives = {{"cf", "", "", 1}, {"kg", "dim", "rate", 2}};
  out[1].id = "ddp", out[1].kind = Kind::kStrategy;
  out[1].options_json = R"([{"name": "bucket_mb", "type": "number", "default": 25}])";
  out[2].id = "cpu", out[2].kind = Kind::kDevice;
  return out;
}

const PluginInfo* find(Kind kind, const std::string& name) {
  static const std::vector<PluginInfo> all = made();
  for (const PluginInfo& info : all) {
    if (info.kind == kind && info.id == name) return &info;
  }
  return nullptr;
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty() && out.size() < 16) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    out.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace fuzz = trainhost::fuzz;
  using trainhost::recipe::Recipe, trainhost::recipe::plan_to_json;
  const auto lines = lines_of(fuzz::text_of(data, size));
  for (const std::string& line : lines) {
    fuzz::accepts([&] { trainhost::recipe::parse_override(line); });
  }
  fuzz::accepts([&] {
    const auto known = [](Kind) { return std::vector<std::string>{"m", "ddp", "cpu"}; };
    const Recipe recipe = Recipe::from_source(kRecipe, "r.lua", lines, {find, known});
    const std::string once = plan_to_json(recipe.resolve({.ranks = 2}));
    fuzz::promise(once == plan_to_json(trainhost::recipe::plan_from_json(once, "plan.json")),
                  "a resolved plan survives its JSON form");
  });
  return 0;
}
