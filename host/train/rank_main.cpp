// trainhost-rank: one rank of a run. Started by trainhost, which explains itself better than this
// program can when something is missing.
#include <malloc.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>

#include "host/plugins/check_loaded.h"
#include "host/train/rank_run.h"
#include "trainhost/error.h"

namespace {

using namespace trainhost;

/// Tensors of tens of megabytes come and go in each step. Left alone, malloc maps and unmaps each
/// of them, and the kernel clears every page anew: 7 % of a KGAT step of 204,000 nodes.
void keep_freed_memory() {
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);
}

/// The checks of `trainhost check-plugin` that load the plugin; a crash here is a result.
int check_plugin(const char* file, const char* name) {
  std::puts(plugins::check_loaded(file, name).c_str());
  std::fflush(nullptr);
  _exit(0);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 4 && std::strcmp(argv[1], "--check-plugin") == 0)
    return check_plugin(argv[2], argv[3]);
  // The parent tells ranks to stop through the control page; a terminal's Ctrl-C is not for them.
  std::signal(SIGINT, SIG_IGN);
  std::signal(SIGTERM, SIG_IGN);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a file over the limit is an error of write() instead
  try {
    const auto environment = launch::RankEnvironment::from_environment();
    launch::die_with_parent(environment.parent);
    keep_freed_memory();
    const launch::Control control = launch::Control::attach(environment.control_fd);
    telemetry::EventWriter events(environment.events_fd);
    const int code = train::run_ranks(environment, control, events);
    // Nothing is left to flush, and the destructors of a 450 MB library take longer than this exit.
    std::fflush(nullptr);
    _exit(code);
  } catch (const Error& error) {
    std::fprintf(stderr, "trainhost-rank: %s\n", error.what());
    return static_cast<int>(error.failure());
  }
}
