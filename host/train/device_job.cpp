#include "host/train/device_job.h"

#include <ATen/ops/ones.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "host/launch/cache_directory.h"
#include "host/plugins/inspect.h"
#include "host/plugins/load.h"
#include "host/train/clock.h"
#include "host/train/collective_trials.h"
#include "host/train/process_setup.h"
#include "host/train/process_usage.h"
#include "host/train/rank_host.h"
#include "host/train/tcp_store.h"
#include "trainhost/device.h"

namespace trainhost::train {
namespace {

constexpr double kPatience = 20;      // seconds of a collective, where nobody is late on purpose
constexpr double kShortPatience = 3;  // where somebody is
constexpr double kAtOnce = 5;         // for what must not wait for a time-out

struct Skip {
  std::string reason;
};

[[noreturn]] void fail(std::string what, std::string expected = "", std::string got = "") {
  throw Error(Failure::kPlugin, {.where = "device",
                                 .what = std::move(what),
                                 .expected = std::move(expected),
                                 .got = std::move(got)});
}

void sleep(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }

/// What a rank of a group is given for a trial.
struct Place {
  Communicator& communicator;
  DeviceSession& session;
  AbortSignal abort;
  std::uint64_t seed;
  int rank() const { return communicator.rank(); }
  int world() const { return communicator.world(); }
  TrialPlace trial() const {
    return {communicator, session.device(), seed, [this] { session.synchronize(); }};
  }
};

at::Tensor some_data(const Place& place) {
  return at::ones({100000}, at::TensorOptions(at::kFloat).device(place.session.device()));
}

/// The Error of an all_reduce to which a rank does not come, and how long it took.
struct Waited {
  std::string text;
  double seconds = 0;
};
Waited wait_in_vain(const Place& place) {
  const double begin = now();
  try {
    wait(place.communicator.all_reduce(some_data(place), ReduceOp::kSum, Traffic::kStrategy));
    place.session.synchronize();
  } catch (const Error& error) {
    if (error.failure() != Failure::kRankLost) {
      fail("a lost rank is another kind of failure", "Failure::kRankLost", error.what());
    }
    return {error.what(), now() - begin};
  }
  fail("an all_reduce ended without one of its ranks");
}

/// The last rank stays away; on the others something else than its coming ends the wait.
void try_abort(const Place& place, const std::function<void()>& wake) {
  if (place.rank() + 1 == place.world()) return sleep(1);
  std::jthread waker([&] {
    sleep(0.2);
    wake();
  });
  const Waited waited = wait_in_vain(place);
  if (waited.seconds > kAtOnce) {
    fail("an abort does not wake who waits", "an Error at once",
         "one after " + std::to_string(waited.seconds) + " s");
  }
}

void try_timeout(const Place& place) {
  if (place.rank() + 1 == place.world()) return sleep(kShortPatience + 1.5);
  const Waited waited = wait_in_vain(place);
  const std::string missing = std::to_string(place.world() - 1);
  if (waited.text.find("all_reduce") == std::string::npos ||
      waited.text.find(missing) == std::string::npos) {
    fail("a time-out does not say what it waited for",
         "the operation (all_reduce) and the missing rank (" + missing + ")", waited.text);
  }
  if (waited.seconds > kShortPatience + kAtOnce) {
    fail("a time-out comes late", std::to_string(kShortPatience) + " s",
         std::to_string(waited.seconds) + " s");
  }
}

void try_group(const std::string& trial, const Place& place) {
  if (trial == "collectives" || trial == "uneven") {
    try_collectives(place.trial(), trial == "uneven");
  } else if (trial == "async") {
    try_async(place.trial());
  } else if (trial == "rank-order") {
    if (!try_rank_order(place.trial())) {
      throw Skip{
          "its communicators do not say that sums are in rank order: exact numerics work "
          "with two ranks at most"};
    }
  } else if (trial == "abort") {
    try_abort(place, [&] { place.abort.raise(-1); });
  } else if (trial == "abort-one") {
    try_abort(place, [&] { place.communicator.abort("a trial of check-plugin"); });
  } else if (trial == "timeout") {
    try_timeout(place);
  } else {
    throw Error(Failure::kUser, {.where = "device job", .what = "no such trial", .got = trial});
  }
}

std::string try_open(Device& device, const OpenOptions& options, int index) {
  constexpr int kTimes = 100, kSettled = 20;
  ProcessUsage settled;
  for (int i = 0; i < kTimes; ++i) {
    if (i == kSettled) settled = ProcessUsage::now();
    const auto first = device.open(index, options), second = device.open(index, options);
    DeviceSession* const sessions[] = {first.get(), second.get()};
    device.local_communicators(sessions, options);
  }
  const ProcessUsage after = ProcessUsage::now();
  const auto rest = [](const char* what, std::int64_t before, std::int64_t then,
                       std::int64_t most) {
    if (then - before <= most) return;
    fail(std::string("opening and closing keeps ") + what,
         std::to_string(before) + " after " + std::to_string(kSettled) + " times",
         std::to_string(then) + " after " + std::to_string(kTimes));
  };
  rest("descriptors", settled.descriptors, after.descriptors, 0);
  rest("threads", settled.threads, after.threads, 0);
  rest("mappings", settled.mappings, after.mappings, 0);
  rest("heap", settled.heap, after.heap, 64 << 10);
  try {
    device.open(-1, options);
  } catch (const Error& error) {
    if (error.failure() == Failure::kDevice) return std::to_string(kTimes) + " times";
    fail("a device that is not there is another kind of failure", "Failure::kDevice", error.what());
  }
  fail("a device that is not there can be opened", "Error (Failure::kDevice) for index -1");
}

std::string try_memory(DeviceSession& session) {
  constexpr std::int64_t kBytes = 64 << 20, kMost = 4 << 20;
  const MemoryStatistics before = session.memory();
  if (before.allocated < 0) throw Skip{"it says of itself that it cannot tell what is allocated"};
  const at::Tensor data =
      at::ones({kBytes / 4}, at::TensorOptions(at::kFloat).device(session.device()));
  session.synchronize();
  const MemoryStatistics after = session.memory();
  const std::int64_t more = after.allocated - before.allocated;
  if (more < kBytes - kMost || more > 2 * kBytes) {
    fail("memory() does not move with what is allocated", std::to_string(kBytes) + " bytes more",
         std::to_string(more));
  }
  if (after.peak_allocated >= 0 && after.peak_allocated < after.allocated - kMost) {
    fail("the peak is below what is allocated", std::to_string(after.allocated),
         std::to_string(after.peak_allocated));
  }
  if (after.device_total >= 0 && after.device_free > after.device_total) {
    fail("more memory is free than there is", std::to_string(after.device_total),
         std::to_string(after.device_free));
  }
  session.reset_peak_memory();
  return std::to_string(more >> 20) + " MiB more for 64 MiB";
}

/// A device, opened as a trial wants it.
class Trial {
 public:
  Trial(const recipe::RunPlan& plan, const DeviceJob& job,
        const launch::RankEnvironment& environment, RankHost& host)
      : job_(job),
        environment_(environment),
        index_(environment.device_indices.front()),
        options_{1, job.trial == "timeout" ? kShortPatience : kPatience, AbortSignal(abort_word_)},
        device_(plugins::load(plan.device_file, plugins::Kind::kDevice).make<Device>(host)) {}

  std::string run() {
    if (job_.trial == "open") return try_open(*device_, options_, index_);
    if (job_.trial == "memory") return try_memory(*device_->open(index_, options_));
    if (!job_.local) return run_process();
    std::string out;
    for (const int world : job_.worlds) out = run_threads(world);
    return out;
  }

 private:
  Place place(Communicator& communicator, DeviceSession& session) {
    return {communicator, session, options_.abort, job_.seed};
  }

  std::string run_process() {
    const auto session = device_->open(index_, options_);
    settle_vector_math();
    const auto store = make_store(environment_, options_.abort, kPatience);
    // All are there before the time-out of a trial can count against one that starts late.
    store->set("there/" + std::to_string(environment_.rank), "yes");
    for (int rank = 0; rank < environment_.world; ++rank) {
      store->wait("there/" + std::to_string(rank), [] {});
    }
    const auto communicator =
        session->communicator(*store, "trial", environment_.rank, environment_.world);
    try_group(job_.trial, place(*communicator, *session));
    // Rank 0 hosts the store: it stays until the others have what they need of it.
    if (environment_.rank == 0 && job_.trial == "timeout") sleep(kShortPatience + 2);
    return std::to_string(environment_.world) + " processes";
  }

  std::string run_threads(int world) {
    std::vector<std::unique_ptr<DeviceSession>> sessions;
    std::vector<DeviceSession*> borrowed;
    for (int rank = 0; rank < world; ++rank) {
      sessions.push_back(device_->open(index_, options_));
      borrowed.push_back(sessions.back().get());
    }
    settle_vector_math();
    const auto ends = device_->local_communicators(borrowed, options_);
    std::mutex mutex;
    std::exception_ptr first;
    {
      std::vector<std::jthread> threads;
      for (int rank = 0; rank < world; ++rank) {
        threads.emplace_back([&, rank] {
          try {
            try_group(job_.trial, place(*ends[rank], *sessions[rank]));
          } catch (...) {
            const std::lock_guard lock(mutex);
            if (!first) first = std::current_exception();
            for (const auto& end : ends) end->abort("another rank's trial has failed");
          }
        });
      }
    }
    abort_word_ = AbortSignal::kFine;
    if (first) std::rethrow_exception(first);
    return std::to_string(job_.worlds.size()) + " groups of threads";
  }

  const DeviceJob& job_;
  const launch::RankEnvironment& environment_;
  const int index_;
  std::atomic<std::uint32_t> abort_word_{AbortSignal::kFine};
  const OpenOptions options_;
  const std::unique_ptr<Device> device_;
};

}  // namespace

void device_job(const recipe::RunPlan& plan, const DeviceJob& job,
                const launch::RankEnvironment& environment, const launch::Control& control,
                telemetry::EventWriter& events) {
  RankHost host({environment.rank,
                 environment.world,
                 environment.control_slot,
                 1,
                 static_cast<std::uint64_t>(plan.train.seed),
                 plan.device_kind,
                 launch::cache_directory(),
                 {},
                 job.trial == "rank-order"},
                events, control);
  host.doing("trying the device: " + job.trial);
  nlohmann::json json{{"failure", ""}, {"detail", ""}, {"skip", ""}};
  try {
    json["detail"] = Trial(plan, job, environment, host).run();
  } catch (const Skip& skip) {
    json["skip"] = skip.reason;
  } catch (const Error& error) {
    json["failure"] = plugins::one_line(error);
  }
  telemetry::Summary summary;
  summary.rank = environment.rank;
  summary.json = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  events.send(summary);
}

}  // namespace trainhost::train
