#include "host/recipe/recipe.h"

#include "host/recipe/builder.h"
#include "host/recipe/overrides.h"
#include "host/recipe/sandbox.h"

namespace trainhost::recipe {
namespace {

constexpr const char* kRulePaths[] = {"scaling.batch", "scaling.lr"};

/// The text "function" is no function: one must stand in the recipe.
void require_function(const Sandbox& sandbox, const std::string& path, const std::string& rule,
                      const std::string& file) {
  if (rule != "function" || sandbox.has_function(path)) return;
  throw Error(Failure::kUser,
              {.where = file,
               .what = path + " is the text 'function'",
               .fix = "write a function(base, world), or a rule such as scale.linear"});
}

}  // namespace

struct Recipe::State {
  Sandbox sandbox;
  Built built;
};

Recipe::Recipe(std::unique_ptr<State> state) : state_(std::move(state)) {}
Recipe::~Recipe() = default;
Recipe::Recipe(Recipe&&) noexcept = default;
Recipe& Recipe::operator=(Recipe&&) noexcept = default;

Recipe Recipe::load(const std::string& file, const std::vector<std::string>& overrides,
                    const PluginLookup& plugins) {
  return from_source(read_recipe(file), file, overrides, plugins);
}

Recipe Recipe::from_source(const std::string& source, const std::string& file,
                           const std::vector<std::string>& overrides, const PluginLookup& plugins) {
  std::vector<Override> changes;
  for (const std::string& text : overrides) changes.push_back(parse_override(text));
  auto state = std::make_unique<State>();
  Value raw = state->sandbox.run(source, file, {kRulePaths[0], kRulePaths[1]});
  state->built = Builder(file, plugins).build(std::move(raw), changes);
  const ScalingPlan& scaling = state->built.plan.scaling;
  require_function(state->sandbox, kRulePaths[0], scaling.batch_rule, file);
  require_function(state->sandbox, kRulePaths[1], scaling.lr_rule, file);
  return Recipe(std::move(state));
}

const RunPlan& Recipe::base() const { return state_->built.plan; }

RunPlan Recipe::resolve(const World& world) const {
  if (world.ranks < 1 || world.nodes < 1 || world.ranks > 1'000'000) {
    throw Error(Failure::kUser,
                {.where = base().recipe_file,
                 .what = "a world has 1 to 1000000 ranks, not " + std::to_string(world.ranks)});
  }
  const auto call = [this](const std::string& path, double value, const RuleArguments& to) {
    return state_->sandbox.call(path, value, to);
  };
  RunPlan plan = base();
  plan.ranks = world.ranks;
  plan.nodes = world.nodes;
  for (const ObjectiveBase& objective : state_->built.objectives) {
    plan.objectives.push_back(scale_objective(objective, plan, world, call));
  }
  return plan;
}

}  // namespace trainhost::recipe
