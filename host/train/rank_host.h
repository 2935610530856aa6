// RankHost: the Host that plugins of a rank see: log, progress, stand-ins, places.
//
// Owner: the rank program's main; outlives all plugin instances. Threads and ranks: any thread.
#pragma once

#include <atomic>
#include <string>

#include "host/launch/control.h"
#include "host/launch/rank_environment.h"
#include "host/telemetry/event_writer.h"
#include "trainhost/host.h"
#include "trainhost/purpose.h"

namespace trainhost::train {

/// The run was asked to stop (Ctrl-C) while there was nothing to save yet.
struct Interrupted {
  int signal = 0;
};

class RankHost : public Host {
 public:
  struct Settings {
    int rank = 0, world = 1, control_slot = 0, threads = 1;
    std::uint64_t seed = 0;
    std::string device_kind, cache_directory;
    Purpose purpose{};
    /// numerics = "exact": a device whose library adds in an order of its own takes another way.
    bool sums_in_rank_order = false;
  };

  /// The extension that is there where sums over ranks are to be in rank order, and not elsewhere;
  /// there is nothing behind its address.
  static constexpr const char* kSumsInRankOrder = "trainhost.sums-in-rank-order/1";

  RankHost(Settings settings, telemetry::EventWriter& events, const launch::Control& control)
      : settings_(std::move(settings)),
        purpose_(settings_.purpose),
        events_(events),
        control_(control) {}

  void log(Level level, std::string_view message) override;
  void progress(std::string_view what, std::int64_t done, std::int64_t total) override;
  void announce_stand_in(std::string_view what) override;
  const std::string& cache_directory() const override { return settings_.cache_directory; }
  int rank() const override { return settings_.rank; }
  int world() const override { return settings_.world; }
  int threads() const override { return settings_.threads; }
  std::uint64_t seed() const override { return settings_.seed; }
  const std::string& device_kind() const override { return settings_.device_kind; }
  void* extension(std::string_view id) override {
    if (id == kSumsInRankOrder && settings_.sums_in_rank_order) return this;
    return id == Purpose::kExtension ? &purpose_ : nullptr;
  }

  /// What the rank is doing, for the report of a failure; also its heartbeat.
  void doing(std::string_view what) { control_.doing(settings_.control_slot, what); }
  /// From here on an interrupt is noticed between steps; before, progress() throws Interrupted.
  void training_has_begun() { training_ = true; }
  /// Whether something stands in for what the recipe named.
  bool stood_in() const { return stood_in_; }
  telemetry::EventWriter& events() { return events_; }
  int stop_signal() const { return control_.stop_signal(); }
  std::uint64_t heartbeat(int control_slot) const { return control_.heartbeat(control_slot); }
  /// Throws when the run is being ended; for waits outside collectives.
  void check_still_wanted() const;

 private:
  const Settings settings_;
  Purpose purpose_;  // lent to plugins
  telemetry::EventWriter& events_;
  const launch::Control& control_;
  std::atomic<bool> training_ = false;
  std::atomic<bool> stood_in_ = false;
};

}  // namespace trainhost::train
