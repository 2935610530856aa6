// Host: what the host offers to a plugin while it lives.
//
// Purpose: log, progress and places to write; plugins never print. Owner: the host; it outlives the
// plugin's instances. Threads and ranks: any thread; each rank instance has its own Host.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace trainhost {

class Host {
 public:
  enum class Level { kDebug, kInfo, kWarning };

  virtual ~Host() = default;

  /// One line of the log. Rank 0's reach the user; the others' go to the log file with their rank.
  virtual void log(Level level, std::string_view message) = 0;

  /// How far a long piece of work has come; shown with rate and ETA. `total` <= 0: not known. Call
  /// it as often as convenient (the host thins it out): it is also the heartbeat that other ranks
  /// wait on. Throws Error when the run is being interrupted or aborted.
  virtual void progress(std::string_view what, std::int64_t done, std::int64_t total) = 0;

  /// Something the results cannot be read without, such as "synthetic graph: data/x is missing". It
  /// goes to the banner, the log and `stand_in` of summary.json.
  virtual void announce_stand_in(std::string_view what) = 0;

  /// A folder for results that are cheap to lose, keyed by content; shared between runs.
  virtual const std::string& cache_directory() const = 0;

  virtual int rank() const = 0;
  virtual int world() const = 0;
  /// CPU threads that belong to this rank.
  virtual int threads() const = 0;
  virtual std::uint64_t seed() const = 0;
  /// "cpu", "cuda", … : the kind of device that the run uses.
  virtual const std::string& device_kind() const = 0;

  /// A service of the host by string id ("trainhost.something/1"), or nullptr. The host grows by
  /// these, never by new virtual functions.
  virtual void* extension(std::string_view id) = 0;
};

}  // namespace trainhost
