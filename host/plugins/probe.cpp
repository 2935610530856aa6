#include "host/plugins/probe.h"

#include <limits>
#include <nlohmann/json.hpp>

#include "host/plugins/inspect.h"
#include "host/plugins/shared_object.h"
#include "trainhost/device_probe.h"
#include "trainhost/error.h"

namespace trainhost::plugins {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kCapacity = 64u << 10;

[[noreturn]] void fail(const std::string& file, std::string what) {
  throw Error(Failure::kPlugin, {.where = file, .what = std::move(what)});
}

/// A probe's texts go to the terminal.
std::string printable(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return text;
}

ProbedDevice parse_device(const Json& json, const std::string& file) {
  const bool good = json.is_object() && json.contains("index") && json.contains("name") &&
                    json["index"].is_number_integer() && json["name"].is_string() &&
                    json["index"] >= 0 && json["index"] <= std::numeric_limits<int>::max();
  if (!good) fail(file, "the probe's answer has a device without index and name");
  ProbedDevice out{json["index"].get<int>(), printable(json["name"].get<std::string>())};
  if (const auto memory = json.find("memory_bytes"); memory != json.end()) {
    if (!memory->is_number_integer()) fail(file, "the probe's answer has a wrong memory_bytes");
    out.memory_bytes = memory->get<std::int64_t>();
  }
  return out;
}

std::string ask(const std::string& file, const std::string& libtorch) {
  const SharedObject object(file);
  const auto function = reinterpret_cast<ProbeFunction>(object.symbol(kProbeSymbol));
  if (function == nullptr) fail(file, std::string("the probe lacks ") + kProbeSymbol);
  std::string answer(kCapacity, '\0');
  std::size_t size = 0;
  try {
    size = function(libtorch.c_str(), answer.data(), answer.size());
  } catch (...) {
    fail(file, "the probe threw " + current_exception_in_words());
  }
  if (size == 0 || size > answer.size()) fail(file, "the probe gave no answer");
  answer.resize(size);
  return answer;
}

}  // namespace

ProbeResult parse_probe_answer(const std::string& kind, const std::string& file,
                               std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) fail(file, "the probe's answer is no JSON object");
  ProbeResult out{.kind = kind, .devices = {}, .why_not = ""};
  const auto why_not = json.find("why_not");
  if (why_not != json.end() && why_not->is_string()) {
    out.why_not = printable(why_not->get<std::string>());
  }
  const auto devices = json.find("devices");
  if (devices == json.end() || !devices->is_array()) {
    fail(file, "the probe's answer has no list of devices");
  }
  for (const Json& device : *devices) out.devices.push_back(parse_device(device, file));
  if (out.devices.empty() && out.why_not.empty()) {
    fail(file, "the probe found no devices and does not say why");
  }
  if (!out.devices.empty()) out.why_not.clear();
  return out;
}

ProbeResult ask_probe(const std::string& kind, const std::string& file,
                      const std::string& libtorch) {
  return parse_probe_answer(kind, file, ask(file, libtorch));
}

ProbeResult run_probe(const std::string& kind, const std::string& file,
                      const std::string& libtorch) {
  try {
    return ask_probe(kind, file, libtorch);
  } catch (const Error& error) {
    return {.kind = kind, .devices = {}, .why_not = one_line(error) + " (" + file + ")"};
  }
}

}  // namespace trainhost::plugins
