#include "host/telemetry/gauges_text.h"

#include <fmt/format.h>

#include <cmath>

namespace trainhost::telemetry {

std::string gauges_text(const Step& step, const std::string& device) {
  if (device.empty() || device == "cpu") return "";
  std::string out;
  if (!std::isnan(step.utilisation)) out += fmt::format(" {:.0f} %", 100 * step.utilisation);
  if (!std::isnan(step.power_watts)) out += fmt::format(" {:.0f} W", step.power_watts);
  if (!std::isnan(step.temperature_celsius)) {
    out += fmt::format(" {:.0f} °C", step.temperature_celsius);
  }
  return out.empty() ? "" : "gpu" + out;
}

}  // namespace trainhost::telemetry
