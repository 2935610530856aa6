#include "host/cli/run_events.h"

#include <sstream>

namespace trainhost::cli {
namespace {

using telemetry::Hparam;

double number(std::int64_t value) { return static_cast<double>(value); }

// Lists and tables are left to the plan's text.
void add_option(const std::string& name, const Value& value, std::vector<Hparam>& out) {
  if (const auto* flag = std::get_if<bool>(&value.data)) {
    out.emplace_back(name, *flag ? "true" : "false");
  } else if (const auto* whole = std::get_if<std::int64_t>(&value.data)) {
    out.emplace_back(name, number(*whole));
  } else if (const auto* real = std::get_if<double>(&value.data)) {
    out.emplace_back(name, *real);
  } else if (const auto* text = std::get_if<std::string>(&value.data)) {
    out.emplace_back(name, *text);
  }
}

void add_options(const std::string& prefix, const Value& options, std::vector<Hparam>& out) {
  const auto* table = std::get_if<Table>(&options.data);
  if (table == nullptr) return;
  for (const auto& [name, value] : *table) add_option(prefix + name, value, out);
}

// Four blanks before a line make it code in markdown.
std::string as_code(const std::string& text) {
  std::string out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) out += "    " + line + "\n";
  return out;
}

}  // namespace

std::vector<Hparam> run_hparams(const recipe::RunPlan& plan) {
  std::vector<Hparam> out = {{"model", plan.model.id},
                             {"strategy", plan.strategy.id},
                             {"device", plan.device_kind},
                             {"ranks", number(plan.ranks)},
                             {"precision", plan.precision},
                             {"optimizer", plan.optimizer.name},
                             {"weight_decay", plan.optimizer.weight_decay},
                             {"accumulate", number(plan.train.accumulate)},
                             {"clip_norm", plan.train.clip_norm},
                             {"seed", number(plan.train.seed)}};
  for (const recipe::ObjectivePlan& objective : plan.objectives) {
    out.emplace_back("lr/" + objective.name, objective.lr);
    out.emplace_back("batch/" + objective.name, number(objective.effective_batch));
  }
  add_options("model.", plan.model.options, out);
  add_options("strategy.", plan.strategy.options, out);
  return out;
}

telemetry::TensorBoardWriter begin_events(const PreparedRun& run,
                                          const telemetry::RunDirectory& directory) {
  const std::int64_t kept = directory.goes_on_after();
  telemetry::TensorBoardWriter out(directory.path(), kept < 0 ? -1 : kept + 1);
  out.hparams(run_hparams(run.plan));
  out.text("plan", as_code(recipe::plan_to_json(run.plan)));
  out.flush();
  return out;
}

}  // namespace trainhost::cli
