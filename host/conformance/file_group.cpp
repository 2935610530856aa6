#include <stdexcept>

#include "host/conformance/groups.h"
#include "host/plugins/child.h"
#include "host/plugins/file_checks.h"
#include "host/plugins/probe.h"

namespace trainhost::conformance {
namespace {

CheckFunction of_file(std::string (*function)(const std::string& file)) {
  return [function](const Subject& subject) { return function(subject.file); };
}

/// Loads the plugin in trainhost-rank, which has LibTorch.
CheckFunction in_rank(const std::string& name) {
  return [name](const Subject& subject) -> std::string {
    const Settings& settings = subject.settings;
    if (settings.rank_program.empty()) {
      throw CheckSkipped{settings.why_no_rank.empty() ? "trainhost-rank is not installed"
                                                      : settings.why_no_rank};
    }
    const plugins::ChildResult child =
        plugins::run_program({settings.rank_program, "--check-plugin", subject.file, name},
                             settings.library_path, settings.timeout_seconds);
    if (child.exit_code == 127 && child.output.empty()) {
      throw CheckSkipped{settings.rank_program + " cannot be started"};
    }
    const plugins::ReadResult said = plugins::read_result(child);
    if (said.outcome == Outcome::kCrash) throw CheckCrashed{said.detail};
    if (said.outcome == Outcome::kFail) throw std::runtime_error(said.detail);
    return said.detail;
  };
}

std::string ask(const Subject& subject) {
  const auto answer = plugins::ask_probe("", subject.file, subject.settings.libtorch);
  return answer.devices.empty() ? answer.why_not
                                : std::to_string(answer.devices.size()) + " device(s)";
}

}  // namespace

std::vector<Check> file_checks(const Subject& subject) {
  using namespace plugins;
  std::vector<Check> out{
      {"readable", "the file can be read", of_file(check_readable), {}},
      {"elf", "a shared object of this machine", of_file(check_elf), {"readable"}},
      {"note", "one note, well-formed", of_file(check_note), {"elf"}},
      {"schema", "options, types, defaults", of_file(check_schema), {"note"}},
      {"fingerprint", "built for this host", of_file(check_fingerprint), {"note"}},
      {"symbols", "exports its entry alone", of_file(check_symbols), {"note"}},
      {"needed", "libraries by name, one LibTorch", of_file(check_needed), {"elf"}},
      {"runpath", "no folder of the build machine", of_file(check_runpath), {"elf"}},
      {"scan", "read in under 100 ms", of_file(check_scan), {"note"}}};
  if (subject.note && subject.note->is_probe) {
    out.push_back({"probe", "a device's probe answers", ask, {"fingerprint"}});
  } else {
    out.push_back({"load", "loads with all symbols", in_rank("load"), {"fingerprint"}});
    out.push_back(
        {"descriptor", "descriptor equals note", in_rank("descriptor"), {"fingerprint", "load"}});
  }
  for (Check& check : out) check.quick = true;
  return out;
}

}  // namespace trainhost::conformance
