#include "host/recipe/describe.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "host/recipe/schema.h"
#include "host/recipe/text.h"
#include "host/recipe/value_json.h"

namespace trainhost::recipe {
namespace {

using Row = std::vector<std::string>;

/// Columns a reader sees: UTF-8 continuation bytes take none.
std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

std::string padded(const std::string& text, std::size_t to) {
  const std::size_t have = width(text);
  return text + std::string(have < to ? to - have : 0, ' ');
}

/// Labels to the left, figures to the right.
std::string render_rows(const std::vector<Row>& rows) {
  std::vector<std::size_t> widths;
  for (const Row& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  }
  std::string out;
  for (const Row& row : rows) {
    std::string line = "  " + padded(row[0], widths[0]);
    for (std::size_t i = 1; i < row.size(); ++i) {
      line += "  " + std::string(widths[i] - width(row[i]), ' ') + row[i];
    }
    out += line + "\n";
  }
  return out;
}

std::string scalar_text(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value.data)) return *text;
  const auto* list = std::get_if<List>(&value.data);
  if (list == nullptr) return value_in_words(value);
  std::vector<std::string> items;
  for (const Value& item : *list) items.push_back(scalar_text(item));
  return "{" + join(items, ", ") + "}";
}

std::string options_text(const Value& options) {
  std::vector<std::string> parts;
  if (const auto* table = std::get_if<Table>(&options.data)) {
    for (const auto& [key, value] : *table) {
      const bool nested = std::holds_alternative<Table>(value.data);
      parts.push_back(key + "=" + (nested ? "{" + options_text(value) + "}" : scalar_text(value)));
    }
  }
  return join(parts, " ");
}

std::string devices_text(const DevicesRequest& devices) {
  std::string text = devices.kinds.empty() ? "auto (cuda → xpu → cpu)" : join(devices.kinds, " → ");
  if (!devices.indices.empty()) {
    std::vector<std::string> indices;
    for (const std::int64_t index : devices.indices) indices.push_back(std::to_string(index));
    return text + ", indices " + join(indices, ", ");
  }
  return text + (devices.count == 0 ? ", all" : ", " + std::to_string(devices.count));
}

std::string optimizer_text(const OptimizerPlan& o) {
  std::string text = o.name + ", lr " + short_number(o.lr) + ", " + o.schedule;
  if (o.warmup > 0) {
    text += o.warmup < 1 ? ", warm-up " + short_number(100 * o.warmup) + " % of the steps"
                         : ", warm-up " + short_number(o.warmup) + " steps";
  }
  if (o.weight_decay > 0) text += ", weight decay " + short_number(o.weight_decay);
  return text;
}

std::string every_text(std::int64_t epochs, std::int64_t steps) {
  const std::string by_steps = steps > 0 ? ", every " + std::to_string(steps) + " steps" : "";
  return (epochs > 0 ? "every " + std::to_string(epochs) + " epochs" : "at the end") + by_steps;
}

std::string head_text(const RunPlan& plan) {
  const std::vector<Row> facts{
      {"model", plan.model.id + "  " + options_text(plan.model.options)},
      {"data", options_text(plan.data)},
      {"strategy", plan.strategy.id + "  " + options_text(plan.strategy.options)},
      {"devices", devices_text(plan.devices)},
      {"precision", plan.precision + economies_text(plan) + ", numerics " + plan.numerics},
      {"optimizer", optimizer_text(plan.optimizer)},
      {"scaling", "batch " + plan.scaling.batch_rule + ", lr " + plan.scaling.lr_rule +
                      ", base batch " + short_number(plan.scaling.base_batch)},
      {"train", std::to_string(plan.train.epochs) + " epochs, seed " +
                    std::to_string(plan.train.seed) + ", evaluation " +
                    every_text(plan.train.eval_every, plan.train.eval_every_steps)},
  };
  std::string out = plan.name + "  (" + plan.recipe_file + ")\n";
  for (const Row& fact : facts) out += "  " + padded(fact[0], 9) + "  " + fact[1] + "\n";
  return out;
}

/// One row: a label and a text per column, "–" where the column has no plan.
template <class Text>
Row row(std::string label, const std::vector<DescribeColumn>& columns, Text&& text) {
  Row out{std::move(label)};
  for (const DescribeColumn& column : columns) {
    out.push_back(column.plan ? text(*column.plan) : "–");
  }
  return out;
}

std::vector<std::string> objective_names(const Description& description) {
  for (const DescribeColumn& column : description.columns) {
    if (!column.plan) continue;
    std::vector<std::string> names;
    for (const ObjectivePlan& objective : column.plan->objectives) names.push_back(objective.name);
    return names;
  }
  return {};
}

std::vector<Row> table_rows(const Description& description) {
  const auto& columns = description.columns;
  Row ranks{"ranks"}, nodes{"nodes"};
  for (const DescribeColumn& column : columns) {
    ranks.push_back(std::to_string(column.world.ranks));
    nodes.push_back(std::to_string(column.world.nodes));
  }
  std::vector<Row> rows{ranks};
  const bool several = std::any_of(columns.begin(), columns.end(),
                                   [](const auto& column) { return column.world.nodes > 1; });
  if (several) rows.push_back(nodes);
  const std::vector<std::string> names = objective_names(description);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto add = [&](const char* label, auto&& text) {
      rows.push_back(row(names[i] + ": " + label, columns,
                         [&](const RunPlan& plan) { return text(plan.objectives[i]); }));
    };
    add("batch per rank", [](const auto& o) { return std::to_string(o.batch_per_rank); });
    add("effective batch", [](const auto& o) { return std::to_string(o.effective_batch); });
    add("lr", [](const auto& o) { return short_number(o.lr); });
  }
  rows.push_back(row("accumulate", columns,
                     [](const RunPlan& plan) { return std::to_string(plan.train.accumulate); }));
  rows.push_back(row("workers per rank", columns,
                     [](const RunPlan& plan) { return std::to_string(plan.train.workers); }));
  return rows;
}

std::string notes_text(const Description& description) {
  std::string out;
  for (const DescribeColumn& column : description.columns) {
    const std::string ranks =
        std::to_string(column.world.ranks) + (column.world.ranks == 1 ? " rank: " : " ranks: ");
    if (!column.plan) {
      out += "  " + ranks + column.problem + "\n";
      continue;
    }
    for (const ObjectivePlan& objective : column.plan->objectives) {
      out += "  " + ranks + objective.name + ": " + objective.lr_note + "\n";
    }
  }
  return out;
}

}  // namespace

Description describe(const Recipe& recipe, const std::vector<World>& worlds, std::string machine) {
  Description out{.base = recipe.base(), .columns = {}, .machine = std::move(machine)};
  for (const World& world : worlds) {
    DescribeColumn column{.world = world, .plan = std::nullopt, .problem = ""};
    try {
      column.plan = recipe.resolve(world);
    } catch (const Error& error) {
      column.problem = error.what();
    }
    out.columns.push_back(std::move(column));
  }
  return out;
}

std::string economies_text(const RunPlan& plan) {
  const TrainPlan& train = plan.train;
  std::string text;
  if (train.gradient_dtype != "fp32") text += ", gradients travel in " + train.gradient_dtype;
  if (train.recompute_every == 1) {
    text += ", activation checkpointing of all units";
  } else if (train.recompute_every > 1) {
    text += ", activation checkpointing of one unit in " + std::to_string(train.recompute_every);
  } else if (!train.recompute_units.empty()) {
    text += ", activation checkpointing of " + join(train.recompute_units, ", ");
  }
  return text;
}

std::string describe_text(const Description& description) {
  std::string out = head_text(description.base);
  if (!description.exact) {
    out += "  not exact  on several ranks the strategy's numbers are not those of one process\n";
  }
  out += "\n" + render_rows(table_rows(description));
  out += "\n" + notes_text(description);
  out += "\nthis machine can run it: " + description.machine + "\n";
  return out;
}

std::string describe_json(const Description& description) {
  Json out;
  out["name"] = description.base.name;
  out["recipe"] = description.base.recipe_file;
  out["machine"] = description.machine;
  out["exact"] = description.exact;
  out["worlds"] = Json::array();
  for (const DescribeColumn& column : description.columns) {
    Json world;
    world["ranks"] = column.world.ranks;
    world["nodes"] = column.world.nodes;
    if (column.plan) {
      world["plan"] = parse_json(plan_to_json(*column.plan), description.base.recipe_file);
    } else {
      world["problem"] = column.problem;
    }
    out["worlds"].push_back(std::move(world));
  }
  return dump_json(out) + "\n";
}

}  // namespace trainhost::recipe
