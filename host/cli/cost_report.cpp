#include "host/cli/cost_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "host/telemetry/text_layout.h"

namespace trainhost::cli {
namespace {

using Row = std::vector<std::string>;

std::string mebibytes(double bytes) { return fmt::format("{:.1f}", bytes / 1048576); }
std::string mebibytes(std::int64_t bytes) { return mebibytes(static_cast<double>(bytes)); }
std::string milliseconds(double seconds) { return fmt::format("{:.1f}", 1e3 * seconds); }

std::string counted(std::int64_t count, const char* what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

/// Labels to the left, figures to the right; a row of one cell is a heading.
std::string table(const std::vector<Row>& rows) {
  std::vector<std::size_t> widths;
  for (const Row& row : rows) {
    if (row.size() == 1) continue;
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], telemetry::columns(row[i]));
    }
  }
  std::string out;
  for (const Row& row : rows) {
    std::string line =
        row.size() == 1 ? "  " + row[0] : "  " + telemetry::pad_right(row[0], widths[0]);
    for (std::size_t i = 1; i < row.size(); ++i)
      line += "  " + telemetry::pad_left(row[i], widths[i]);
    out += line + "\n";
  }
  return out;
}

std::string heading(const Costs& costs, const WorldCost& world) {
  std::string out = counted(world.ranks, "rank");
  if (costs.device == "cpu" && world.ranks > costs.cores) {
    out += fmt::format(" (more than the {} here: they take turns)", counted(costs.cores, "core"));
  }
  return out;
}

std::string label(const StrategyCost& cost) { return (cost.own ? "* " : "  ") + cost.strategy; }

bool any_host(const Costs& costs) {
  for (const WorldCost& world : costs.worlds) {
    for (const StrategyCost& cost : world.strategies) {
      if (cost.claimed.host > 0) return true;
    }
  }
  return false;
}

std::string claims_text(const Costs& costs) {
  const bool host = any_host(costs);
  Row head{"", "parameters", "buffers", "gradients", "optimizer", "transient", "sum", "padding"};
  if (host) head.push_back("in host memory");
  for (const std::string& objective : costs.objectives) head.push_back("sent: " + objective);
  std::vector<Row> rows{head};
  for (const WorldCost& world : costs.worlds) {
    rows.push_back({heading(costs, world)});
    for (const StrategyCost& cost : world.strategies) {
      const Claimed& claimed = cost.claimed;
      if (!claimed.problem.empty()) {
        rows.push_back({label(cost) + ": " + claimed.problem});
        continue;
      }
      Row& row = rows.emplace_back();
      row = {label(cost),
             mebibytes(claimed.parameters),
             mebibytes(claimed.buffers),
             mebibytes(claimed.gradients),
             mebibytes(claimed.optimizer),
             mebibytes(claimed.transient),
             mebibytes(claimed.sum),
             mebibytes(claimed.padding)};
      if (host) row.push_back(mebibytes(claimed.host));
      for (const std::int64_t sent : claimed.traffic) row.push_back(mebibytes(sent));
    }
  }
  return "claimed by the strategies: MiB on the device of the rank that holds most, and what a "
         "rank "
         "sends a step\n(* the recipe's strategy; activations come on top; padding is part of the "
         "sum)\n" +
         table(rows);
}

std::string fits_text(const StrategyCost& cost) {
  if (!cost.fits) return "?";
  return *cost.fits ? "yes" : "no";
}

std::string predictions_text(const Costs& costs) {
  Row head{"", "activations", "a rank", "fits"};
  for (const std::string& objective : costs.objectives) {
    for (const char* part : {"step", "compute", "update", "collectives"}) {
      head.push_back((part == std::string("step") ? objective + ": " : std::string()) + part);
    }
  }
  std::vector<Row> rows{head};
  for (const WorldCost& world : costs.worlds) {
    rows.push_back({heading(costs, world)});
    for (const StrategyCost& cost : world.strategies) {
      if (!cost.predicted) continue;
      const Predicted& predicted = *cost.predicted;
      Row& row = rows.emplace_back();
      row = {label(cost), mebibytes(predicted.activations),
             mebibytes(cost.claimed.sum + predicted.activations), fits_text(cost)};
      for (const Predicted::Objective& objective : predicted.objectives) {
        for (const double seconds : {objective.step_seconds(), objective.compute_seconds,
                                     objective.update_seconds, objective.collective_seconds}) {
          row.push_back(milliseconds(seconds));
        }
      }
    }
  }
  std::string out = "predicted from a probe on this machine: MiB, milliseconds\n" + table(rows);
  for (const auto& [ranks, probed] : costs.probed) {
    out += fmt::format("  {} {} alone: a process takes {} MiB besides its tensors, {} MiB are free",
                       ranks, ranks == 1 ? "rank" : "ranks", mebibytes(probed.base_bytes),
                       mebibytes(probed.free_bytes));
    if (probed.bytes_per_second > 0) {
      out += fmt::format(", a rank sends {:.2f} GB/s", probed.bytes_per_second / 1e9);
    }
    out += "\n";
  }
  return out;
}

/// "+3.1 %", of what was measured.
std::string deviation(double expected, double measured) {
  if (measured <= 0) return "–";
  return fmt::format("{:+.1f} %", 100 * (expected / measured - 1));
}

std::string measurements_text(const Costs& costs) {
  Row head{"", "PSS"};
  for (const std::string& objective : costs.objectives) {
    for (const char* part : {"memory", "predicted", "sent", "claimed", "step", "predicted"}) {
      head.push_back((part == std::string("memory") ? objective + ": " : std::string()) + part);
    }
  }
  std::vector<Row> rows{head};
  for (const WorldCost& world : costs.worlds) {
    rows.push_back({heading(costs, world)});
    for (const StrategyCost& cost : world.strategies) {
      if (!cost.measured) continue;
      const Measured& measured = *cost.measured;
      Row& row = rows.emplace_back();
      row = {label(cost), mebibytes(measured.pss_bytes)};
      for (std::size_t o = 0; o < measured.objectives.size(); ++o) {
        const Measured::Objective& of = measured.objectives[o];
        const auto peak = static_cast<double>(of.peak_bytes);
        const Probed* probed = probe_for(costs, world.ranks);
        // Ranks that are threads share one count.
        row.push_back(cost.threads && world.ranks > 1 ? "–" : mebibytes(of.peak_bytes));
        row.push_back(
            probed == nullptr || (cost.threads && world.ranks > 1)
                ? "–"
                : deviation(static_cast<double>(predicted_bytes(world, cost, *probed, o)), peak));
        row.push_back(mebibytes(of.sent_bytes));
        row.push_back(deviation(static_cast<double>(cost.claimed.traffic[o]),
                                static_cast<double>(of.sent_bytes)));
        row.push_back(milliseconds(of.step_seconds));
        row.push_back(cost.predicted
                          ? deviation(cost.predicted->objectives[o].step_seconds(), of.step_seconds)
                          : "–");
      }
    }
  }
  return "measured in a few steps: MiB of a rank, MiB sent by it, milliseconds; beside each, how "
         "far "
         "what was\nexpected is from it\n" +
         table(rows);
}

}  // namespace

std::string costs_text(const Costs& costs) {
  if (!costs.problem.empty()) {
    return "\nmemory and traffic are not known: " + costs.problem + "\n";
  }
  if (costs.worlds.empty()) return "";
  std::string out = "\n" + claims_text(costs);
  if (!costs.probed.empty()) out += "\n" + predictions_text(costs);
  const bool measured = std::ranges::any_of(costs.worlds, [](const WorldCost& world) {
    return std::ranges::any_of(world.strategies,
                               [](const StrategyCost& cost) { return cost.measured.has_value(); });
  });
  if (measured) out += "\n" + measurements_text(costs);
  return out;
}

}  // namespace trainhost::cli
