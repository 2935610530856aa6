#include "host/train/rank_run.h"

#include <ATen/Parallel.h>
#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "host/checkpoint/files.h"
#include "host/plugins/load.h"
#include "host/recipe/plan.h"
#include "host/train/clock.h"
#include "host/train/model_check.h"
#include "host/train/optimizers.h"
#include "host/train/rank_host.h"
#include "host/train/tcp_store.h"
#include "host/train/trainer.h"
#include "trainhost/device.h"
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

std::string cache_directory() {
  const auto text = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  if (!text("TRAINHOST_CACHE").empty()) return text("TRAINHOST_CACHE");
  if (!text("XDG_CACHE_HOME").empty()) return text("XDG_CACHE_HOME") + "/trainhost";
  return (text("HOME").empty() ? "/tmp" : text("HOME")) + "/.cache/trainhost";
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

/// Puts rank and plugin's id to what a plugin throws while it trains.
template <class Function>
void guarded(const recipe::RunPlan& plan, Function&& function) {
  try {
    function();
  } catch (const Interrupted&) {
    throw;
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw Error(Failure::kRankLost,
                {.where = "model '" + plan.model.id + "' under strategy '" + plan.strategy.id + "'",
                 .what = "an exception ended the rank",
                 .got = error.what()});
  }
}

}  // namespace

void run_rank(const launch::RankEnvironment& environment, const launch::Control& control,
              telemetry::EventWriter& events) {
  const double begin = now();
  const recipe::RunPlan plan = recipe::plan_from_json(
      checkpoint::read_text_file(environment.plan_file, kMaxPlan), environment.plan_file);

  RankHost host({environment.rank, environment.world, environment.control_slot,
                 threads_of_a_rank(plan, environment.local_world),
                 static_cast<std::uint64_t>(plan.train.seed), plan.device_kind, cache_directory()},
                events, control);
  host.doing("loading plugins");
  const auto device_plugin = plugins::load(plan.device_file, plugins::Kind::kDevice);
  const auto model_plugin = plugins::load(plan.model.file, plugins::Kind::kModel);
  const auto strategy_plugin = plugins::load(plan.strategy.file, plugins::Kind::kStrategy);

  const std::unique_ptr<Device> device = device_plugin.make<Device>(host);
  const OpenOptions open{host.threads(), plan.train.timeout, control.abort_signal()};
  const std::unique_ptr<DeviceSession> session =
      device->open(environment.device_indices.front(), open);
  at::set_num_threads(host.threads());

  const Options model_options(plan.model.options, "model"), data_options(plan.data, "data"),
      strategy_options(plan.strategy.options, "strategy");
  const std::unique_ptr<Model> model =
      model_plugin.make<Model>(host, &model_options, &data_options);
  const std::unique_ptr<Strategy> strategy =
      strategy_plugin.make<Strategy>(host, &strategy_options);
  const std::unique_ptr<RunStore> store =
      make_store(environment, control.abort_signal(), plan.train.timeout);
  if (environment.rank == 0) events.phase_end("start", now() - begin);

  guarded(plan, [&] {
    prepare(*model, *store, host, environment);
    host.doing("making the model");
    const double making = now();
    const ModelSpec spec = model->declare();
    const std::vector<ObjectiveSpec> objectives = model->objectives();
    check_model(plan.model.id, spec, objectives);
    const auto communicator =
        session->communicator(*store, "world", environment.rank, environment.world);
    const auto optimizer = make_optimizer(plan.optimizer, spec.groups);
    const auto attached =
        strategy->attach({host, spec, objectives, *session, *communicator, *optimizer,
                          plan.numerics == "exact" ? Numerics::kExact : Numerics::kFast});
    const auto rank = model->make_rank(environment.rank, environment.world);
    if (environment.rank == 0) events.phase_end("start", now() - making);

    Trainer trainer({plan, host, *model, spec, objectives, *rank, *session, *communicator,
                     *attached, agreed_run_directory(environment, *store)});
    if (!environment.resume.empty()) trainer.resume(environment.resume);
    trainer.run();
  });
}

}  // namespace trainhost::train
