// From a recipe's raw table to the parts of a plan that do not depend on the world: choices brought
// to one form, overrides, checks against the host's and the plugins' schemas.
//
// Owner: Recipe, for the length of one build. Threads and ranks: the parent only.
#pragma once

#include <string>
#include <vector>

#include "host/recipe/overrides.h"
#include "host/recipe/problems.h"
#include "host/recipe/recipe.h"

namespace trainhost::recipe {

struct Built {
  RunPlan plan;  ///< without objectives
  std::vector<ObjectiveBase> objectives;
};

class Builder {
 public:
  Builder(std::string file, const PluginLookup& plugins)
      : file_(std::move(file)), plugins_(plugins) {}

  /// Throws one Error with all mistakes.
  Built build(Value raw, const std::vector<Override>& overrides);

 private:
  void normalize(Value& raw) const;
  void name_optimizer(Value& raw) const;
  const plugins::PluginInfo* choose(const Value& choice, plugins::Kind kind, PluginChoice& out);
  const plugins::PluginInfo* find(const std::string& name, plugins::Kind kind,
                                  const SourcePosition& at);
  void check_optimizer(const Value& raw, const Value& checked);
  void check_data(const Value& raw, const plugins::PluginInfo* model);
  void check_devices(const Value& raw);
  void check_kind(const std::string& kind, const SourcePosition& at);
  void check_name(const Value& checked);
  void check_recompute(const Value& checked);
  void check_memory_limit(const Value& checked);
  void take_auto_batch(Value& raw);
  void fill(const Value& checked);
  void add_objectives(const Value& checked, const plugins::PluginInfo& model);

  std::string file_;
  const PluginLookup& plugins_;
  Problems problems_;
  Built built_;
};

}  // namespace trainhost::recipe
