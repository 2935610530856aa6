#include "shared_memory/rendezvous.h"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <memory>
#include <random>
#include <sstream>
#include <utility>

#include "shared_memory/machine.h"
#include "trainhost/error.h"

namespace shared_memory {
namespace {

using trainhost::Error;
using trainhost::Failure;

/// What rank 0 publishes: "pid fd bytes nonce machine".
struct Address {
  pid_t pid = 0;
  int fd = -1;
  std::size_t bytes = 0;
  std::uint64_t nonce = 0;
  std::string machine;

  std::string text() const {
    std::ostringstream out;
    out << pid << ' ' << fd << ' ' << bytes << ' ' << nonce << ' ' << machine;
    return out.str();
  }
  static Address parse(const std::string& text) {
    Address address;
    std::istringstream in(text);
    if (in >> address.pid >> address.fd >> address.bytes >> address.nonce >> address.machine) {
      return address;
    }
    throw Error(Failure::kRun, {.where = "shared memory",
                                .what = "rank 0 published an address that cannot be read",
                                .got = "'" + text + "'",
                                .fix = "install the same trainhost for all ranks"});
  }
};

void initialise(const Mapping& segment, int world, std::uint64_t nonce) {
  const Control control(segment.data(), world);
  Header* header = std::construct_at(&control.header());
  header->nonce = nonce;
  header->world = static_cast<std::uint32_t>(world);
  for (int r = 0; r < world; ++r) std::construct_at(&control.slot(r));
}

std::shared_ptr<Mapping> attach(const std::string& name, const Address& address, int world) {
  const std::string where = "group '" + name + "'";
  if (address.machine != machine_identity()) {
    throw Error(Failure::kRun,
                {.where = where,
                 .what = "the ranks are on several machines, or in containers apart",
                 .expected = address.machine + " (rank 0)",
                 .got = machine_identity(),
                 .fix = "several machines: use MPI (device cpu_mpi); containers on one machine: "
                        "let them share the name space of process ids"});
  }
  const Descriptor file = open_file_of(address.pid, address.fd);
  struct stat status {};
  const bool sized = ::fstat(file.get(), &status) == 0 &&
                     static_cast<std::size_t>(status.st_size) == address.bytes;
  if (sized && address.bytes == Control::bytes(world)) {
    std::shared_ptr<Mapping> segment = Mapping::of_file(file, address.bytes);
    const Header& header = Control(segment->data(), world).header();
    if (header.nonce == address.nonce && header.world == static_cast<std::uint32_t>(world)) {
      return segment;
    }
  }
  throw Error(Failure::kRun, {.where = where,
                              .what = "what rank 0 published is not the segment of this group",
                              .expected = std::to_string(Control::bytes(world)) + " bytes for " +
                                          std::to_string(world) + " ranks",
                              .got = std::to_string(address.bytes) + " bytes",
                              .fix = "give all ranks the same world size and the same trainhost"});
}

std::vector<Descriptor> watch(const Control& control, int rank, int world) {
  std::vector<Descriptor> processes(static_cast<std::size_t>(world));
#if defined(SYS_pidfd_open)
  for (int r = 0; r < world; ++r) {
    // Where the kernel has no such call, the time-out and the abort signal remain.
    if (r != rank) {
      processes[static_cast<std::size_t>(r)] =
          Descriptor(static_cast<int>(::syscall(SYS_pidfd_open, control.slot(r).pid, 0)));
    }
  }
#endif
  return processes;
}

}  // namespace

std::unique_ptr<Engine> meet_processes(trainhost::Store& store, const std::string& name, int rank,
                                       int world, const Patience& patience) {
  const std::string key = name + "/segment";
  Descriptor file;
  std::shared_ptr<Mapping> segment;
  if (rank == 0) {
    const std::size_t bytes = Control::bytes(world);
    file = make_memory_file(bytes);
    segment = Mapping::of_file(file, bytes);
    const std::uint64_t nonce = std::random_device{}() | std::uint64_t{1} << 40;
    initialise(*segment, world, nonce);
    store.set(key, Address{::getpid(), file.get(), bytes, nonce, machine_identity()}.text());
  } else {
    segment = attach(name, Address::parse(store.get(key)), world);
  }
  auto group = std::make_unique<Group>(name, segment, rank, world, patience);
  group->meet();
  group->watch(watch(Control(segment->data(), world), rank, world));
  return std::make_unique<Engine>(std::move(group), process_sharing());
}

LocalGroup make_local_group(std::string name, int world) {
  LocalGroup group{std::move(name), Mapping::anonymous(Control::bytes(world)),
                   std::make_shared<Board>(world), world};
  initialise(*group.segment, world, 0);
  return group;
}

std::unique_ptr<Engine> join_local_group(const LocalGroup& group, int rank,
                                         const Patience& patience) {
  auto end = std::make_unique<Group>(group.name, group.segment, rank, group.world, patience);
  const cpu_set_t cores = allowed_cores();
  end->set_cores(core_quota(CPU_COUNT(&cores)));
  return std::make_unique<Engine>(std::move(end), thread_sharing(group.board));
}

}  // namespace shared_memory
