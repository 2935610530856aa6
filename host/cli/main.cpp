// trainhost: reads the command line and the recipe, starts the ranks, and says what happened. Links
// no LibTorch and has no threads.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "host/cli/arguments.h"
#include "host/cli/commands.h"
#include "trainhost/error.h"

namespace {

using namespace trainhost;

// A pipe that took the number of a closed stdout would receive what is printed.
void open_standard_descriptors() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd) return;
  }
}

struct RunCommand {
  int operator()(const cli::RunArguments& a) const { return cli::run_command(a); }
  int operator()(const cli::DescribeArguments& a) const { return cli::describe_command(a); }
  int operator()(const cli::ProveArguments& a) const { return cli::prove_command(a); }
  int operator()(const cli::PredictArguments& a) const { return cli::predict_command(a); }
  int operator()(const cli::ExportArguments& a) const { return cli::export_command(a); }
  int operator()(const cli::DoctorArguments& a) const { return cli::doctor_command(a); }
  int operator()(const cli::ResumeArguments& a) const { return cli::resume_command(a); }
  int operator()(const cli::PluginsArguments& a) const { return cli::plugins_command(a); }
  int operator()(const cli::CheckPluginArguments& a) const { return cli::check_plugin_command(a); }
  int operator()(const cli::RecipesArguments& a) const { return cli::recipes_command(a); }
  int operator()(const cli::BenchArguments& a) const { return cli::bench_command(a); }
  int operator()(const cli::Text& a) const {
    std::fputs(a.text.c_str(), stdout);
    return 0;
  }
};

}  // namespace

int main(int argc, char** argv) {
  open_standard_descriptors();
  try {
    const std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
    return std::visit(RunCommand{}, cli::parse_arguments(words));
  } catch (const Error& error) {
    std::fprintf(stderr, "trainhost: error: %s\n", error.what());
    return static_cast<int>(error.failure());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "trainhost: error: %s\n", error.what());
    return static_cast<int>(Failure::kRun);
  }
}
