#include "host/launch/foreign.h"

#include <charconv>

#include "trainhost/error.h"

namespace trainhost::launch {
namespace {

// Below the range from which kernels take ports for clients.
constexpr int kFirstPort = 20000;
constexpr int kPorts = 10000;

class Variables {
 public:
  Variables(const Environment& environment, std::string launcher)
      : environment_(environment), launcher_(std::move(launcher)) {}

  bool has(const std::string& name) const { return !text(name).empty(); }

  std::string text(const std::string& name) const {
    const auto found = environment_.find(name);
    return found == environment_.end() ? std::string() : found->second;
  }

  int integer(const std::string& name, int least, int most) const {
    const std::string value = text(name);
    int out = 0;
    const char* end = value.data() + value.size();
    const auto [stop, error] = std::from_chars(value.data(), end, out);
    if (error != std::errc() || stop != end || out < least || out > most) {
      refuse(name + " does not fit",
             "a whole number from " + std::to_string(least) + " to " + std::to_string(most),
             value.empty() ? "nothing" : "'" + value + "'");
    }
    return out;
  }
  int integer_or(const std::string& name, int least, int most, int otherwise) const {
    return has(name) ? integer(name, least, most) : otherwise;
  }

  [[noreturn]] void refuse(const std::string& what, const std::string& expected,
                           const std::string& got) const {
    throw Error(Failure::kUser, {.where = "environment of " + launcher_,
                                 .what = what,
                                 .expected = expected,
                                 .got = got,
                                 .fix = "start the job through " + launcher_ +
                                        " as usual, or unset its variables to run alone"});
  }

  const std::string& launcher() const { return launcher_; }

 private:
  const Environment& environment_;
  std::string launcher_;
};

struct Names {
  const char *rank, *world, *local_rank, *local_world;
};

constexpr int kMany = 1 << 20;

ForeignPlacement read_ranks(const Variables& variables, const Names& names) {
  ForeignPlacement out;
  out.launcher = variables.launcher();
  out.world = variables.integer(names.world, 1, kMany);
  out.rank = variables.integer(names.rank, 0, out.world - 1);
  out.local_world = variables.integer_or(names.local_world, 1, out.world, 1);
  // A launcher may leave out how many ranks a machine has; the local rank says the least.
  out.local_rank = variables.integer_or(names.local_rank, 0, out.world - 1, 0);
  if (out.local_world <= out.local_rank) out.local_world = out.local_rank + 1;
  return out;
}

// The same port in every process of a job, from what identifies the job.
int port_of(const std::string& job) {
  std::uint32_t hash = 2166136261u;  // FNV-1a
  for (const char letter : job) hash = (hash ^ static_cast<unsigned char>(letter)) * 16777619u;
  return kFirstPort + static_cast<int>(hash % kPorts);
}

void set_master(const Variables& variables, const std::string& guess, const std::string& job,
                ForeignPlacement& out) {
  out.master_address = variables.has("MASTER_ADDR") ? variables.text("MASTER_ADDR") : guess;
  out.master_port = variables.integer_or("MASTER_PORT", 1, 65535, port_of(job));
  if (out.world > 1 && out.master_address.empty()) {
    variables.refuse("it is not known on which machine rank 0 runs",
                     "MASTER_ADDR set to that machine's name (and MASTER_PORT to a free port)",
                     "nothing");
  }
}

ForeignPlacement from_torchrun(const Variables& variables) {
  ForeignPlacement out =
      read_ranks(variables, {"RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"});
  set_master(variables, out.world == 1 ? "127.0.0.1" : "", "", out);
  if (out.world > 1) out.master_port = variables.integer("MASTER_PORT", 1, 65535);
  out.agent_store = variables.text("TORCHELASTIC_USE_AGENT_STORE") == "True";
  return out;
}

ForeignPlacement from_slurm(const Variables& variables) {
  const char* world =
      variables.has("SLURM_STEP_NUM_TASKS") ? "SLURM_STEP_NUM_TASKS" : "SLURM_NTASKS";
  ForeignPlacement out =
      read_ranks(variables, {"SLURM_PROCID", world, "SLURM_LOCALID", "SLURM_NTASKS_PER_NODE"});
  const char* nodes =
      variables.has("SLURM_STEP_NODELIST") ? "SLURM_STEP_NODELIST" : "SLURM_NODELIST";
  set_master(variables, first_slurm_host(variables.text(nodes)),
             variables.text("SLURM_JOB_ID") + "." + variables.text("SLURM_STEP_ID"), out);
  return out;
}

ForeignPlacement from_open_mpi(const Variables& variables) {
  ForeignPlacement out =
      read_ranks(variables, {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE",
                             "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"});
  const char* job = variables.has("PMIX_NAMESPACE") ? "PMIX_NAMESPACE" : "OMPI_MCA_ess_base_jobid";
  set_master(variables, out.local_world == out.world ? "127.0.0.1" : "", variables.text(job), out);
  return out;
}

ForeignPlacement from_pmi(const Variables& variables) {
  ForeignPlacement out =
      read_ranks(variables, {"PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"});
  set_master(variables, out.local_world == out.world ? "127.0.0.1" : "", variables.text("PMI_PORT"),
             out);
  return out;
}

}  // namespace

std::string first_slurm_host(const std::string& list) {
  const std::size_t bracket = list.find('[');
  const std::size_t comma = list.find(',');
  if (bracket == std::string::npos || comma < bracket) return list.substr(0, comma);
  const std::size_t end = list.find_first_of(",-]", bracket + 1);
  const std::size_t close = list.find(']', bracket);
  if (end == std::string::npos || close == std::string::npos) return {};
  const std::size_t next = list.find(',', close);
  const std::string tail =
      list.substr(close + 1, next == std::string::npos ? next : next - close - 1);
  return list.substr(0, bracket) + list.substr(bracket + 1, end - bracket - 1) + tail;
}

std::optional<ForeignPlacement> find_foreign_placement(const Environment& environment) {
  const auto has = [&](const char* name) { return environment.contains(name); };
  // Slurm counts only inside a step: a batch script has the job's variables, yet nobody placed it.
  if (has("RANK") && has("WORLD_SIZE")) return from_torchrun({environment, "torchrun"});
  if (has("OMPI_COMM_WORLD_RANK")) return from_open_mpi({environment, "Open MPI"});
  if (has("SLURM_PROCID") && has("SLURM_STEP_ID")) return from_slurm({environment, "Slurm"});
  if (has("PMI_RANK") && has("PMI_SIZE")) return from_pmi({environment, "PMI"});
  return std::nullopt;
}

}  // namespace trainhost::launch
