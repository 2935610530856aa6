#include "host/train/conform.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "host/launch/cache_directory.h"
#include "host/plugins/inspect.h"
#include "host/plugins/load.h"
#include "host/train/clock.h"
#include "host/train/counting_communicator.h"
#include "host/train/describe_claims.h"
#include "host/train/economies.h"
#include "host/train/exceptions.h"
#include "host/train/measured_session.h"
#include "host/train/model_check.h"
#include "host/train/model_trials.h"
#include "host/train/optimizers.h"
#include "host/train/process_setup.h"
#include "host/train/process_usage.h"
#include "host/train/rank_host.h"
#include "host/train/recording_communicator.h"
#include "host/train/state_hash.h"
#include "host/train/trainer.h"
#include "host/train/watched_session.h"

namespace trainhost::train {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMostWatchedSteps = 10000;

Json usage_json(const ProcessUsage& usage) {
  return {{"heap", usage.heap},
          {"resident", usage.resident},
          {"mappings", usage.mappings},
          {"descriptors", usage.descriptors},
          {"threads", usage.threads}};
}

/// What the ranks of one run share.
class Run {
 public:
  Run(const ConformRun& run, const launch::Control& control, telemetry::EventWriter& events,
      MemoryCounter& memory)
      : run_(run), plan_(run.plan), control_(control), events_(events), memory_(memory) {}

  /// All ranks, to their ends.
  void go();
  Json report() const;

 private:
  struct Rank {
    std::unique_ptr<DeviceSession> device{};
    std::unique_ptr<Communicator> communicator{};
    OperationRecord record{};
    std::map<std::string, OperationRecord> groups{};  // of make_communicator
    SentBytes sent{};
    std::vector<MeasuredStep> steps{};
    std::vector<std::string> units{};  // as they ran
    Json said{};                       // of a trial
  };

  void open();
  void declare();
  std::vector<std::unique_ptr<Communicator>> ends();
  std::unique_ptr<Communicator> group(int rank, const std::string& name);
  Strategy& strategy_of(int rank) { return *strategies_[strategies_.size() == 1 ? 0 : rank]; }
  void run_rank(int rank);
  void train(int rank, ModelRank& model_rank, StrategySession& session);
  bool try_model(int rank, ModelRank& model_rank, StrategySession& session);
  void try_declared();
  void send_state(int rank, StrategySession& session);
  void guard(int rank, const std::function<void()>& work);
  void failed(int rank, const Error& error);
  Json traffic() const;
  std::string disorder() const;
  std::int64_t model_operations() const;

  const ConformRun& run_;
  const recipe::RunPlan& plan_;
  const launch::Control& control_;
  telemetry::EventWriter& events_;
  MemoryCounter& memory_;
  std::atomic<std::uint32_t> abort_word_{AbortSignal::kFine};
  AbortSignal abort_{abort_word_};

  // In the order in which they outlive each other.
  std::vector<std::unique_ptr<RankHost>> hosts_;
  std::unique_ptr<Device> device_;
  std::vector<std::unique_ptr<Rank>> ranks_;
  std::unique_ptr<Options> model_options_, data_options_, strategy_options_;
  std::unique_ptr<Model> model_;
  ModelSpec spec_;
  std::vector<ObjectiveSpec> objectives_;
  std::vector<std::unique_ptr<Strategy>> strategies_;
  Json claimed_ = Json::array();
  std::vector<ProcessUsage> usage_of_steps_;

  std::mutex mutex_;
  // State below is protected by mutex_, until the ranks have ended.
  std::map<std::string, std::vector<std::unique_ptr<Communicator>>> waiting_ends_;
  int failed_rank_ = -1;
  std::string failure_;
};

void Run::go() {
  guard(0, [this] {
    open();
    declare();
  });
  if (failed_rank_ >= 0 || run_.kind == ConformRun::Kind::kDeclare) return;
  {
    std::vector<std::jthread> threads;
    for (int rank = 0; rank < static_cast<int>(ranks_.size()); ++rank) {
      threads.emplace_back([this, rank] { guard(rank, [&] { run_rank(rank); }); });
    }
  }
  for (const auto& rank : ranks_) rank->communicator.reset();
  waiting_ends_.clear();
}

void Run::open() {
  const int world = static_cast<int>(plan_.ranks);
  const int threads = static_cast<int>(std::max<std::int64_t>(1, plan_.train.threads));
  for (int rank = 0; rank < world; ++rank) {
    ranks_.push_back(std::make_unique<Rank>());
    hosts_.push_back(
        std::make_unique<RankHost>(RankHost::Settings{rank,
                                                      world,
                                                      std::min(rank, control_.local_ranks() - 1),
                                                      threads,
                                                      static_cast<std::uint64_t>(plan_.train.seed),
                                                      plan_.device_kind,
                                                      launch::cache_directory(),
                                                      {},
                                                      plan_.numerics == "exact"},
                                   events_, control_));
  }
  RankHost& host = *hosts_.front();
  host.doing("loading plugins");
  device_ = plugins::load(plan_.device_file, plugins::Kind::kDevice).make<Device>(host);
  for (const auto& rank : ranks_) {
    rank->device = device_->open(0, {threads, plan_.train.timeout, abort_});
  }
  at::set_num_threads(threads);
  settle_vector_math();
  auto communicators = ends();
  for (std::size_t r = 0; r < ranks_.size(); ++r) {
    ranks_[r]->communicator = std::make_unique<CountingCommunicator>(
        std::make_unique<RecordingCommunicator>(std::move(communicators[r]), ranks_[r]->record),
        ranks_[r]->sent, &memory_);
    // A record grows with each step.
    if (run_.watch_usage) ranks_[r]->record.stop();
  }
}

void Run::declare() {
  RankHost& host = *hosts_.front();
  model_options_ = std::make_unique<Options>(plan_.model.options, "model");
  data_options_ = std::make_unique<Options>(plan_.data, "data");
  strategy_options_ = std::make_unique<Options>(plan_.strategy.options, "strategy");
  model_ = plugins::load(plan_.model.file, plugins::Kind::kModel)
               .make<Model>(host, model_options_.get(), data_options_.get());
  host.doing("preparing the data");
  model_->prepare(true);
  spec_ = model_->declare();
  objectives_ = model_->objectives();
  check_model(plan_.model.id, spec_, objectives_);
  if (run_.kind == ConformRun::Kind::kDeclare) return try_declared();
  const auto plugin = plugins::load(plan_.strategy.file, plugins::Kind::kStrategy);
  const std::size_t count = plugin.info().ranks_are_threads ? 1 : ranks_.size();
  for (std::size_t s = 0; s < count; ++s) {
    strategies_.push_back(plugin.make<Strategy>(*hosts_[s], strategy_options_.get()));
  }
  const auto optimizer = make_optimizer(plan_.optimizer, spec_.groups);
  claimed_ =
      strategies_.front()->claims(claims_request(plan_, spec_, objectives_, *optimizer)).traffic;
}

std::vector<std::unique_ptr<Communicator>> Run::ends() {
  std::vector<DeviceSession*> sessions;
  for (const auto& rank : ranks_) sessions.push_back(rank->device.get());
  const int threads = hosts_.front()->threads();
  return device_->local_communicators(sessions, {threads, plan_.train.timeout, abort_});
}

/// The first rank that asks for a name makes the ends of all.
std::unique_ptr<Communicator> Run::group(int rank, const std::string& name) {
  const std::lock_guard lock(mutex_);
  auto& made = waiting_ends_[name];
  if (made.empty()) made = ends();
  Rank& own = *ranks_[static_cast<std::size_t>(rank)];
  if (run_.watch_usage) own.groups[name].stop();
  return std::make_unique<CountingCommunicator>(
      std::make_unique<RecordingCommunicator>(std::move(made[static_cast<std::size_t>(rank)]),
                                              own.groups[name]),
      own.sent, &memory_);
}

void Run::run_rank(int r) {
  Rank& rank = *ranks_[static_cast<std::size_t>(r)];
  RankHost& host = *hosts_[static_cast<std::size_t>(r)];
  at::set_num_threads(host.threads());
  host.doing("making the model");
  const auto optimizer = make_optimizer(plan_.optimizer, spec_.groups);
  const auto numerics = plan_.numerics == "exact" ? Numerics::kExact : Numerics::kFast;
  const auto attached =
      strategy_of(r).attach({host, spec_, objectives_, *rank.device, *rank.communicator, *optimizer,
                             numerics, sixteen_bits(plan_.train.gradient_dtype),
                             [this, r](const std::string& name) { return group(r, name); }});
  MeasuredSession measured(*attached, rank.sent, memory_);
  WatchedSession::Watch watch;
  if (run_.kind == ConformRun::Kind::kLoss) {
    watch.unit = [this, &rank](int unit, Pass) {
      rank.units.push_back("unit '" + spec_.units[static_cast<std::size_t>(unit)].name + "'");
    };
  }
  if (run_.watch_usage && r == 0) {
    // Room for what comes, so that the watching itself takes nothing more.
    usage_of_steps_.reserve(kMostWatchedSteps);
    watch.step_done = [this] {
      if (usage_of_steps_.size() < kMostWatchedSteps)
        usage_of_steps_.push_back(ProcessUsage::now());
    };
  }
  StrategySession& inner = run_.watch_usage ? *attached : measured;
  WatchedSession session(inner, std::move(watch));
  const auto model_rank = model_->make_rank(r, static_cast<int>(ranks_.size()));
  if (!try_model(r, *model_rank, session)) train(r, *model_rank, session);
  rank.steps = measured.take();
}

/// False where the run is no trial of the model.
bool Run::try_model(int r, ModelRank& model_rank, StrategySession& session) {
  Rank& rank = *ranks_[static_cast<std::size_t>(r)];
  const bool loss = run_.kind == ConformRun::Kind::kLoss;
  if (!loss && run_.kind != ConformRun::Kind::kEvaluate) return false;
  const ModelTrial trial{plan_,        *hosts_[static_cast<std::size_t>(r)],
                         objectives_,  model_rank,
                         *rank.device, *rank.communicator,
                         session};
  rank.said = loss ? try_loss(trial, run_.split) : try_evaluation(trial);
  return true;
}

void Run::try_declared() {
  ranks_.front()->said = try_declaration(*model_, memory_);
  const auto again = plugins::load(plan_.model.file, plugins::Kind::kModel)
                         .make<Model>(*hosts_.front(), model_options_.get(), data_options_.get());
  again->prepare(false);
  try_initialisers(spec_, again->declare());
}

void Run::train(int r, ModelRank& model_rank, StrategySession& session) {
  Rank& rank = *ranks_[static_cast<std::size_t>(r)];
  Trainer trainer({plan_, *hosts_[static_cast<std::size_t>(r)], *model_, spec_, objectives_,
                   model_rank, *rank.device, *rank.communicator, session, run_.directory,
                   run_.kind == ConformRun::Kind::kProve ? run_.steps : 0,
                   economies_of(plan_, spec_)});
  if (!run_.resume.empty()) trainer.resume(run_.resume);
  if (run_.kind == ConformRun::Kind::kProve) return trainer.prove();
  if (run_.kind == ConformRun::Kind::kTrain) trainer.run();
  send_state(r, session);
}

void Run::send_state(int rank, StrategySession& session) {
  telemetry::State event;
  event.rank = rank;
  event.place = "end of the run";
  event.tensors = hash_state(session.state(false));
  events_.send(event);
}

void Run::guard(int rank, const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    failed(rank, error);
  } catch (const Interrupted&) {
    failed(rank, Error(Failure::kRun, {.where = "run", .what = "was interrupted"}));
  } catch (const std::exception& error) {
    failed(rank, as_error("strategy '" + plan_.strategy.id + "'", error));
  }
}

/// The first failure counts; the others are its consequences.
void Run::failed(int rank, const Error& error) {
  const std::lock_guard lock(mutex_);
  if (failed_rank_ >= 0) return;
  failed_rank_ = rank;
  failure_ = error.text().where + ": " + plugins::one_line(error);
  abort_.raise(rank);
}

/// The mean of the ranks and of the steps.
Json Run::traffic() const {
  Json out = Json::array();
  for (std::size_t o = 0; o < objectives_.size() && o < claimed_.size(); ++o) {
    double sum = 0;
    for (const auto& rank : ranks_) {
      std::int64_t sent = 0, steps = 0;
      for (const MeasuredStep& step : rank->steps) {
        if (step.objective != static_cast<int>(o)) continue;
        sent += step.sent_bytes;
        ++steps;
      }
      if (steps > 0) sum += static_cast<double>(sent) / static_cast<double>(steps);
    }
    out.push_back({{"objective", objectives_[o].name},
                   {"sent", sum / static_cast<double>(ranks_.size())},
                   {"claimed", claimed_[o]}});
  }
  return out;
}

std::string Run::disorder() const {
  std::vector<std::vector<std::string>> world;
  std::map<std::string, std::vector<std::vector<std::string>>> groups;
  for (const auto& rank : ranks_) world.push_back(rank->record.operations());
  if (world.empty()) return {};
  const std::string found = first_disorder(world);
  if (!found.empty()) return found;
  for (std::size_t r = 0; r < ranks_.size(); ++r) {
    for (const auto& [name, record] : ranks_[r]->groups) {
      auto& records = groups[name];
      records.resize(ranks_.size());
      records[r] = record.operations();
    }
  }
  for (const auto& [name, records] : groups) {
    const std::string in_group = first_disorder(records);
    if (!in_group.empty()) return "group '" + name + "': " + in_group;
  }
  return {};
}

std::int64_t Run::model_operations() const {
  if (ranks_.empty()) return 0;
  const auto all = ranks_.front()->record.operations();
  return std::ranges::count_if(all,
                               [](const std::string& text) { return text.ends_with("(model)"); });
}

Json Run::report() const {
  Json usages = Json::array();
  for (const ProcessUsage& usage : usage_of_steps_) usages.push_back(usage_json(usage));
  Json said = Json::array();
  std::vector<std::vector<std::string>> units;
  for (const auto& rank : ranks_) {
    said.push_back(rank->said);
    units.push_back(rank->units);
  }
  return {{"failure", failure_},
          {"rank", failed_rank_},
          {"disorder", disorder()},
          {"operations", ranks_.empty() ? 0 : ranks_.front()->record.operations().size()},
          {"usage_of_steps", std::move(usages)},
          {"traffic", traffic()},
          {"said", std::move(said)},
          {"unit_disorder", units.empty() ? std::string() : first_disorder(units)},
          {"model_operations", model_operations()}};
}

}  // namespace

void conform(const std::vector<ConformRun>& runs, const launch::Control& control,
             telemetry::EventWriter& events) {
  MemoryCounter& memory = MemoryCounter::install();
  for (std::size_t r = 0; r < runs.size(); ++r) {
    Json json{{"run", r}};
    {
      const double begin = now();
      Run run(runs[r], control, events, memory);
      run.go();
      json["seconds"] = now() - begin;
      json.update(run.report());
    }
    json["usage"] = usage_json(ProcessUsage::now());
    telemetry::Summary summary;
    summary.json = json.dump(-1, ' ', false, Json::error_handler_t::replace);
    events.send(summary);
  }
}

}  // namespace trainhost::train
