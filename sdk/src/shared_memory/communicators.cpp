#include "shared_memory/communicators.h"

#include <utility>

#include "shared_memory/communicator.h"
#include "shared_memory/rendezvous.h"
#include "trainhost/error.h"

namespace shared_memory {
namespace {

Patience patience_of(const trainhost::OpenOptions& options) {
  return {options.timeout_seconds, options.abort};
}

}  // namespace

std::unique_ptr<trainhost::Communicator> process_communicator(
    trainhost::Store& store, const std::string& name, int rank, int world,
    const trainhost::OpenOptions& options) {
  if (world < 1 || rank < 0 || rank >= world) {
    throw trainhost::Error(trainhost::Failure::kRun, {.where = "group '" + name + "'",
                                                      .what = "there is no such rank",
                                                      .expected = "a rank below the world size",
                                                      .got = "rank " + std::to_string(rank) +
                                                             " of " + std::to_string(world)});
  }
  std::unique_ptr<Engine> engine;
  if (world > 1) engine = meet_processes(store, name, rank, world, patience_of(options));
  return std::make_unique<SharedCommunicator>(std::move(engine), name, rank, world);
}

std::vector<std::unique_ptr<trainhost::Communicator>> thread_communicators(
    int world, const trainhost::OpenOptions& options) {
  std::vector<std::unique_ptr<trainhost::Communicator>> out;
  LocalGroup group;
  if (world > 1) group = make_local_group("threads", world);
  for (int rank = 0; rank < world; ++rank) {
    std::unique_ptr<Engine> engine;
    if (world > 1) engine = join_local_group(group, rank, patience_of(options));
    out.push_back(std::make_unique<SharedCommunicator>(std::move(engine), "threads", rank, world));
  }
  return out;
}

}  // namespace shared_memory
