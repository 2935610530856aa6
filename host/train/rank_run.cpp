#include "host/train/rank_run.h"

#include <ATen/Parallel.h>
#include <sched.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "host/launch/cache_directory.h"
#include "host/launch/opening.h"
#include "host/plugins/load.h"
#include "host/recipe/plan.h"
#include "host/train/clock.h"
#include "host/train/conform.h"
#include "host/train/counting_communicator.h"
#include "host/train/describe_claims.h"
#include "host/train/job.h"
#include "host/train/memory_counter.h"
#include "host/train/model_check.h"
#include "host/train/optimizers.h"
#include "host/train/probe.h"
#include "host/train/process_setup.h"
#include "host/train/rank_host.h"
#include "host/train/step_replay.h"
#include "host/train/tcp_store.h"
#include "host/train/trainer.h"
#include "host/train/use_model.h"
#include "host/train/verdict.h"
#include "trainhost/device.h"
#include "trainhost/files.h"
#include "trainhost/model.h"
#include "trainhost/strategy.h"

namespace trainhost::train {
namespace {

constexpr std::int64_t kMaxPlan = std::int64_t{64} << 20;

int threads_of_a_rank(const recipe::RunPlan& plan, int local_world) {
  if (plan.train.threads > 0) return static_cast<int>(plan.train.threads);
  cpu_set_t cores;
  CPU_ZERO(&cores);
  const int count = sched_getaffinity(0, sizeof(cores), &cores) == 0 ? CPU_COUNT(&cores) : 1;
  return std::max(1, count / std::max(1, local_world));
}

/// The heart of the rank that prepares, watched by those that wait for it. Preparing may take
/// hours, so there is no time-out of the whole; every Host::progress is a beat.
class Heartbeat {
 public:
  Heartbeat(const RankHost& host, const launch::RankEnvironment& environment)
      : host_(host),
        // Under a foreign launcher each rank has a control page of its own: nothing to watch.
        watched_(environment.control_slot == environment.local_rank) {}

  void check() {
    if (!watched_) return;
    const std::uint64_t beat = host_.heartbeat(0);
    if (beat != last_) {
      last_ = beat;
      since_ = now();
    } else if (now() - since_ > kPatience) {
      throw Error(Failure::kRankLost, {.where = "preparing the data",
                                       .what = "rank 0 has not reported progress for " +
                                               std::to_string(static_cast<int>(kPatience)) + " s",
                                       .fix = "see log.txt for what it was doing"});
    }
  }

 private:
  static constexpr double kPatience = 300;  // seconds
  const RankHost& host_;
  const bool watched_;
  std::uint64_t last_ = 0;
  double since_ = now();
};

/// One rank of each machine prepares, the others wait on its heartbeat and come after it.
void prepare(Model& model, RunStore& store, RankHost& host,
             const launch::RankEnvironment& environment) {
  host.doing("preparing the data");
  const double begin = now();
  const std::string key = "prepared/" + std::to_string(environment.rank - environment.local_rank);
  if (environment.local_rank == 0) {
    model.prepare(true);
    store.set(key, "yes");
  } else {
    Heartbeat heartbeat(host, environment);
    store.wait(key, [&] {
      host.check_still_wanted();
      heartbeat.check();
    });
    model.prepare(false);
  }
  if (host.rank() == 0) host.events().phase_end("data", now() - begin);
}

/// Under a foreign launcher only rank 0 knows which numbered folder the run got.
std::string agreed_run_directory(const launch::RankEnvironment& environment, RunStore& store) {
  if (environment.rank == 0) {
    store.set("run_directory", environment.run_directory);
    return environment.run_directory;
  }
  return environment.run_directory.empty() ? store.get("run_directory") : environment.run_directory;
}

/// What the ranks of this process share.
struct Process {
  const launch::RankEnvironment& environment;
  const launch::Control& control;
  const recipe::RunPlan plan;
  const Job job;
  std::vector<std::unique_ptr<RankHost>> hosts{};  // one for each rank
  std::unique_ptr<Device> device{};
  std::vector<std::unique_ptr<DeviceSession>> sessions{};
  std::unique_ptr<Model> model{};
  std::unique_ptr<Strategy> strategy{};
  std::unique_ptr<RunStore> store{};
  ModelSpec spec{};
  std::vector<ObjectiveSpec> objectives{};
  std::string run_directory{};
  MemoryCounter* memory = nullptr;  // where the job counts; LibTorch keeps it

  /// Groups of rank threads: the first one that asks for a name makes the ends of all.
  std::mutex groups_mutex{};
  std::map<std::string, std::vector<std::unique_ptr<Communicator>>> groups{};

  int local_ranks() const { return static_cast<int>(environment.device_indices.size()); }
  /// Rank threads exist in runs of one process only.
  int world() const { return local_ranks() > 1 ? local_ranks() : environment.world; }
  int rank(int local) const { return environment.rank + local; }
  OpenOptions open_options() const {
    return {hosts.front()->threads(), plan.train.timeout, control.abort_signal()};
  }
};

void make_hosts(Process& process, telemetry::EventWriter& events) {
  const launch::RankEnvironment& environment = process.environment;
  if (process.local_ranks() > 1 && environment.world > 1) {
    throw Error(Failure::kUser,
                {.where = "strategy '" + process.plan.strategy.id + "'",
                 .what = "its ranks are threads of one process, but there are several processes",
                 .expected = "1 process",
                 .got = std::to_string(environment.world) + " processes",
                 .fix = "use strategy=ddp, or start one process"});
  }
  const int local_world = std::max(environment.local_world, process.local_ranks());
  for (int local = 0; local < process.local_ranks(); ++local) {
    process.hosts.push_back(std::make_unique<RankHost>(
        RankHost::Settings{process.rank(local),
                           process.world(),
                           environment.control_slot + local,
                           threads_of_a_rank(process.plan, local_world),
                           static_cast<std::uint64_t>(process.plan.train.seed),
                           process.plan.device_kind,
                           launch::cache_directory(),
                           {.needs_data = !process.job.uses_trained_model()},
                           process.plan.numerics == "exact"},
        events, process.control));
  }
}

/// The parent may go on with other devices where one does not open.
void open_devices(Process& process, const plugins::LoadedPlugin& plugin) {
  RankHost& host = *process.hosts.front();
  host.doing(launch::opening_device(process.environment.device_indices.front()));
  process.device = plugin.make<Device>(host);
  for (const int index : process.environment.device_indices) {
    host.doing(launch::opening_device(index));
    process.sessions.push_back(process.device->open(index, process.open_options()));
  }
}

/// Devices first: they load what has to be there before LibTorch's first call.
void load_plugins(Process& process) {
  const recipe::RunPlan& plan = process.plan;
  RankHost& host = *process.hosts.front();
  host.doing("loading plugins");
  const auto device_plugin = plugins::load(plan.device_file, plugins::Kind::kDevice);
  const auto model_plugin = plugins::load(plan.model.file, plugins::Kind::kModel);
  const auto strategy_plugin = plugins::load(plan.strategy.file, plugins::Kind::kStrategy);
  open_devices(process, device_plugin);
  host.doing("making model and strategy");
  at::set_num_threads(host.threads());
  settle_vector_math();
  const Options model_options(plan.model.options, "model"), data_options(plan.data, "data"),
      strategy_options(plan.strategy.options, "strategy");
  process.model = model_plugin.make<Model>(host, &model_options, &data_options);
  process.strategy = strategy_plugin.make<Strategy>(host, &strategy_options);
}

void require_exact_sums(const Process& process, const Communicator& communicator) {
  if (process.plan.numerics != "exact" || communicator.world() <= 2) return;
  if (communicator.sums_in_rank_order()) return;
  throw Error(Failure::kUser, {.where = "numerics = \"exact\"",
                               .what = "the device '" + process.plan.device_kind +
                                       "' does not add in the order of ranks",
                               .fix = "use at most 2 ranks, or devices=cpu"});
}

std::unique_ptr<Communicator> make_communicator(Process& process, int local,
                                                const std::string& name) {
  if (process.local_ranks() == 1) {
    return process.sessions.front()->communicator(
        *process.store, "strategy/" + name, process.environment.rank, process.environment.world);
  }
  const std::lock_guard lock(process.groups_mutex);
  auto& ends = process.groups[name];
  if (ends.empty()) {
    std::vector<DeviceSession*> sessions;
    for (const auto& session : process.sessions) sessions.push_back(session.get());
    ends = process.device->local_communicators(sessions, process.open_options());
  }
  return std::move(ends[static_cast<std::size_t>(local)]);
}

/// Trains as one rank, in its own thread where there are several.
void run_rank(Process& process, int local, Communicator& communicator) {
  RankHost& host = *process.hosts[static_cast<std::size_t>(local)];
  DeviceSession& session = *process.sessions[static_cast<std::size_t>(local)];
  at::set_num_threads(host.threads());
  host.doing("making the model");
  const double making = now();
  require_exact_sums(process, communicator);
  const auto optimizer = make_optimizer(process.plan.optimizer, process.spec.groups);
  const auto bare_group = [&](const std::string& name) {
    return make_communicator(process, local, name);
  };
  if (process.job.kind == Job::Kind::kProbe) {
    probe({process.plan, process.job.probe, host, *process.model, process.spec, process.objectives,
           session, communicator, *process.strategy, *optimizer, *process.memory, bare_group,
           [&] { return session.communicator(*process.store, "alone", 0, 1); }});
    return;
  }
  SentBytes sent;
  StepReplay replay;
  CountingCommunicator counter(communicator, sent, process.memory);
  const auto counted = replay.watch(counter);
  const auto group = [&](const std::string& name) {
    return replay.watch(
        std::make_unique<CountingCommunicator>(bare_group(name), sent, process.memory));
  };
  const auto numerics = process.plan.numerics == "exact" ? Numerics::kExact : Numerics::kFast;
  const auto attached = process.strategy->attach(
      {host, process.spec, process.objectives, session, *counted, *optimizer, numerics,
       sixteen_bits(process.plan.train.gradient_dtype), group});
  const auto rank = process.model->make_rank(communicator.rank(), communicator.world());
  if (host.rank() == 0) host.events().phase_end("start", now() - making);

  if (process.job.uses_trained_model()) {
    use_model({process.plan, process.job, host, *process.model, process.spec, *rank, session,
               communicator, *attached});
    return;
  }
  const ClaimsRequest claims =
      claims_request(process.plan, process.spec, process.objectives, *optimizer);
  Trainer trainer({process.plan, host, *process.model, process.spec, process.objectives, *rank,
                   session, *counted, *attached, process.run_directory, process.job.prove_steps,
                   economies_of(process.plan, process.spec), &sent,
                   host.rank() == 0 ? claims_text(*process.strategy, claims) : std::string(),
                   &replay});
  if (!process.environment.resume.empty()) trainer.resume(process.environment.resume);
  if (process.job.kind == Job::Kind::kProve) {
    trainer.prove();
  } else {
    trainer.run();
  }
}

std::string trainer_of(const recipe::RunPlan& plan) {
  return "model '" + plan.model.id + "' under strategy '" + plan.strategy.id + "'";
}

/// Where the job counts it, or it is to end somewhere.
void count_memory(Process& process) {
  const std::int64_t mebibytes = process.plan.train.memory_limit;
  const bool on_cpu = process.sessions.front()->device().is_cpu();
  if (mebibytes > 0 && !on_cpu && process.environment.rank == 0) {
    process.hosts.front()->log(Host::Level::kWarning, "train.memory_limit is for the CPU; on '" +
                                                          process.plan.device_kind +
                                                          "' it limits nothing");
  }
  const std::int64_t limit = on_cpu ? (mebibytes << 20) * process.local_ranks() : 0;
  if (process.job.kind == Job::Kind::kProbe || limit > 0) {
    process.memory = &MemoryCounter::install(limit);
  }
}

void set_up(Process& process, telemetry::EventWriter& events) {
  const double begin = now();
  make_hosts(process, events);
  load_plugins(process);
  count_memory(process);
  process.store =
      make_store(process.environment, process.control.abort_signal(), process.plan.train.timeout);
  if (process.environment.rank == 0) events.phase_end("start", now() - begin);
}

void declare(Process& process) {
  prepare(*process.model, *process.store, *process.hosts.front(), process.environment);
  process.spec = process.model->declare();
  process.objectives = process.model->objectives();
  if (process.job.uses_trained_model()) {
    check_use(process.plan, process.job, *process.model, *process.hosts.front());
  }
  check_model(process.plan.model.id, process.spec, process.objectives);
  process.run_directory = agreed_run_directory(process.environment, *process.store);
}

void run_as_process(Process& process, Verdict& verdict) {
  process.hosts.front()->doing(launch::kConnectingDevices);
  const auto communicator = process.sessions.front()->communicator(
      *process.store, "world", process.environment.rank, process.environment.world);
  // Guarded while the communicator is open: the other ranks must not complain that it was closed
  // before this one has said why.
  verdict.guard(process.environment.rank, process.environment.control_slot,
                trainer_of(process.plan), [&] { run_rank(process, 0, *communicator); });
}

void run_as_threads(Process& process, Verdict& verdict) {
  std::vector<DeviceSession*> sessions;
  for (const auto& session : process.sessions) sessions.push_back(session.get());
  process.hosts.front()->doing(launch::kConnectingDevices);
  const auto communicators = process.device->local_communicators(sessions, process.open_options());
  std::vector<std::jthread> threads;
  for (int local = 0; local < process.local_ranks(); ++local) {
    threads.emplace_back([&, local] {
      Communicator& communicator = *communicators[static_cast<std::size_t>(local)];
      verdict.guard(process.rank(local), process.environment.control_slot + local,
                    trainer_of(process.plan), [&] { run_rank(process, local, communicator); });
      // The others must not wait for a rank that was interrupted or has failed.
      if (!verdict.good()) communicator.abort("another rank of the process has ended");
    });
  }
}

/// No device, no strategy's session: the model's declaration is enough.
void describe(Process& process, telemetry::EventWriter& events) {
  make_hosts(process, events);
  RankHost& host = *process.hosts.front();
  MemoryCounter& memory = MemoryCounter::install();
  const recipe::RunPlan& plan = process.plan;
  const auto plugin = plugins::load(plan.model.file, plugins::Kind::kModel);
  const Options model_options(plan.model.options, "model"), data_options(plan.data, "data");
  process.model = plugin.make<Model>(host, &model_options, &data_options);
  host.doing("preparing the data");
  process.model->prepare(true);
  telemetry::Summary summary;
  summary.json = describe_claims(process.job.plans, *process.model, host, memory);
  events.send(summary);
}

}  // namespace

int run_ranks(const launch::RankEnvironment& environment, const launch::Control& control,
              telemetry::EventWriter& events) {
  Verdict verdict(events, control);
  const int rank = environment.rank, slot = environment.control_slot;
  verdict.guard(rank, slot, "rank " + std::to_string(rank), [&] {
    Process process{environment, control,
                    recipe::plan_from_json(read_text_file(environment.plan_file, kMaxPlan),
                                           environment.plan_file),
                    Job::from(environment)};
    if (process.job.kind == Job::Kind::kDescribe) {
      describe(process, events);
      return;
    }
    if (process.job.kind == Job::Kind::kConform) {
      conform(process.job.runs, control, events);
      return;
    }
    if (process.job.kind == Job::Kind::kDevice) {
      device_job(process.plan, process.job.device, environment, control, events);
      return;
    }
    set_up(process, events);
    verdict.guard(rank, slot, trainer_of(process.plan), [&] {
      declare(process);
      if (process.local_ranks() > 1) {
        run_as_threads(process, verdict);
      } else {
        run_as_process(process, verdict);
      }
    });
  });
  return verdict.code();
}

}  // namespace trainhost::train
