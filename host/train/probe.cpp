#include "host/train/probe.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "host/train/clock.h"
#include "host/train/collective_rates.h"
#include "host/train/counting_communicator.h"
#include "host/train/economies.h"
#include "host/train/measured_session.h"
#include "host/train/trainer.h"

namespace trainhost::train {
namespace {

using Json = nlohmann::ordered_json;

/// The first steps make states and buffers; the last one is the epoch's, which is often uneven.
constexpr std::int64_t kUnmeasuredAfter = 1;

template <class Value>
double median_of(const std::vector<MeasuredStep>& steps, Value MeasuredStep::*value) {
  std::vector<double> values;
  for (const MeasuredStep& step : steps) values.push_back(static_cast<double>(step.*value));
  std::ranges::sort(values);
  return values[values.size() / 2];
}

/// One session and the runs that are made with it.
class Runs {
 public:
  Runs(const ProbeParts& parts, const recipe::RunPlan& plan, Communicator& communicator,
       Numerics numerics, Json& out)
      : parts_(parts),
        numerics_(numerics),
        out_(out),
        counted_bytes_(parts.memory.current()),
        communicator_(communicator, sent_, &parts.memory),
        attached_(parts.strategy.attach(
            {parts.host, parts.spec, parts.objectives, parts.device, communicator_, parts.optimizer,
             numerics, sixteen_bits(parts.plan.train.gradient_dtype),
             [this](const std::string& name) { return counting(name); }})),
        session_(*attached_, sent_, parts.memory),
        rank_(parts.model.make_rank(communicator.rank(), communicator.world())) {
    // Each objective's states are to exist before any is measured.
    if (parts.objectives.size() > 1) train(plan, 1);
  }

  void run(const recipe::RunPlan& plan, const Job::Probe& steps) {
    train(plan, steps.warmup + steps.steps + kUnmeasuredAfter);
    const std::vector<MeasuredStep> measured = session_.take();
    for (std::size_t o = 0; o < parts_.objectives.size(); ++o) {
      report(plan, steps.warmup, measured, o);
    }
  }

 private:
  void train(const recipe::RunPlan& plan, std::int64_t steps) {
    session_.take();
    parts_.communicator.barrier(Traffic::kHost);
    Trainer trainer({plan, parts_.host, parts_.model, parts_.spec, parts_.objectives, *rank_,
                     parts_.device, communicator_, session_, std::string(), steps,
                     economies_of(plan, parts_.spec)});
    trainer.try_out();
  }

  std::unique_ptr<Communicator> counting(const std::string& name) {
    return std::make_unique<CountingCommunicator>(parts_.make_communicator(name), sent_,
                                                  &parts_.memory);
  }

  void report(const recipe::RunPlan& plan, std::int64_t warmup,
              const std::vector<MeasuredStep>& all, std::size_t o) {
    std::vector<MeasuredStep> steps;
    std::ranges::copy_if(all, std::back_inserter(steps), [&](const MeasuredStep& step) {
      return step.objective == static_cast<int>(o);
    });
    if (steps.empty()) return;
    // Little data has few steps.
    const auto first = std::min<std::ptrdiff_t>(warmup, std::ssize(steps) - 1);
    steps.erase(steps.begin(), steps.begin() + first);
    if (steps.size() > 1) steps.pop_back();
    Json& run = out_.emplace_back();
    run["numerics"] = numerics_ == Numerics::kExact ? "exact" : "fast";
    run["objective"] = parts_.objectives[o].name;
    run["rows"] = rows_of(plan, o);
    run["micro_batches"] = plan.train.accumulate;
    run["steps"] = steps.size();
    run["compute_seconds"] = median_of(steps, &MeasuredStep::compute_seconds);
    run["update_seconds"] = median_of(steps, &MeasuredStep::update_seconds);
    run["step_seconds"] = median_of(steps, &MeasuredStep::step_seconds);
    run["held_bytes"] =
        median_of(steps, &MeasuredStep::held_bytes) - static_cast<double>(counted_bytes_);
    run["peak_bytes"] =
        std::ranges::max_element(steps, {}, &MeasuredStep::peak_bytes)->peak_bytes - counted_bytes_;
    run["counted_bytes"] = counted_bytes_;
    run["sent_bytes"] = median_of(steps, &MeasuredStep::sent_bytes);
  }

  /// Of a micro-batch of this rank; the data may have fewer than were asked for.
  double rows_of(const recipe::RunPlan& plan, std::size_t objective) const {
    const recipe::ObjectivePlan& wanted = plan.objectives[objective];
    const std::int64_t rows =
        rank_->batches(static_cast<int>(objective))->rows(0, 0, wanted.effective_batch);
    return static_cast<double>(wanted.batch_per_rank) * static_cast<double>(rows) /
           static_cast<double>(wanted.effective_batch);
  }

  const ProbeParts& parts_;
  const Numerics numerics_;
  Json& out_;
  const std::int64_t counted_bytes_;  // before anything was attached
  SentBytes sent_;
  CountingCommunicator communicator_;
  const std::unique_ptr<StrategySession> attached_;
  MeasuredSession session_;
  const std::unique_ptr<ModelRank> rank_;
};

/// The plan of one rank, with a part of its batch in one micro-batch.
recipe::RunPlan plan_alone(const recipe::RunPlan& plan, std::int64_t divisor) {
  recipe::RunPlan out = plan;
  out.ranks = 1;
  out.train.accumulate = 1;
  for (recipe::ObjectivePlan& objective : out.objectives) {
    objective.batch_per_rank = std::max<std::int64_t>(1, objective.batch_per_rank / divisor);
    objective.effective_batch = objective.batch_per_rank;
  }
  return out;
}

/// Exact numerics for the memory: there gradients have their place from the beginning, so the peak
/// above what is held are the activations. Fast numerics for the time.
Json runs_alone(const ProbeParts& parts) {
  Json out = Json::array();
  for (const Numerics numerics : {Numerics::kExact, Numerics::kFast}) {
    const auto communicator = parts.communicator_alone();
    Runs runs(parts, plan_alone(parts.plan, 1), *communicator, numerics, out);
    Job::Probe steps = parts.job;
    if (numerics == Numerics::kExact) steps.warmup = steps.steps = 1;
    for (const std::int64_t divisor : {2, 1}) runs.run(plan_alone(parts.plan, divisor), steps);
  }
  return out;
}

Json runs_together(const ProbeParts& parts) {
  Json out = Json::array();
  const auto numerics = parts.plan.numerics == "exact" ? Numerics::kExact : Numerics::kFast;
  Runs(parts, parts.plan, parts.communicator, numerics, out).run(parts.plan, parts.job);
  return out;
}

Json collectives(const ProbeParts& parts) {
  Json out = Json::array();
  for (const CollectiveTime& time : collective_times(parts.communicator)) {
    out.push_back({{"operation", time.operation},
                   {"bytes", time.bytes},
                   {"sent_bytes", time.sent_bytes},
                   {"seconds", time.seconds}});
  }
  return out;
}

}  // namespace

void probe(const ProbeParts& parts) {
  parts.host.doing("probing");
  Json json;
  json["pss_before"] = proportional_resident_bytes();
  json["device_free"] = parts.device.memory().device_free;
  parts.device.reset_peak_memory();
  json["runs"] = parts.job.alone ? runs_alone(parts) : runs_together(parts);
  json["device_peak"] = parts.device.memory().peak_allocated;
  json["training_rows"] = parts.model.training_rows();
  json["most_resident"] = most_resident_bytes();
  json["pss_after"] = proportional_resident_bytes();
  if (parts.job.alone && parts.communicator.world() > 1) json["collectives"] = collectives(parts);
  telemetry::Summary summary;
  summary.rank = parts.host.rank();
  summary.json = json.dump();
  parts.host.events().send(summary);
}

}  // namespace trainhost::train
