// Store: the small key-value service through which the ranks of a run find each other.
//
// Purpose: rendezvous (addresses, file descriptors, NCCL ids), never bulk data. Owner: the host; a
// plugin borrows it while it makes a communicator. Threads and ranks: any thread of any rank.
// Errors: `get` throws Error (Failure::kRankLost) when the key does not appear within the run's
// time-out, naming the key, or as soon as the run is aborted.
#pragma once

#include <string>
#include <string_view>

namespace trainhost {

class Store {
 public:
  virtual ~Store() = default;

  /// Sets a key, visible to every rank once this returns.  [any rank]
  virtual void set(std::string_view key, std::string_view value) = 0;
  /// Waits for a key and returns its value.  [any rank]
  virtual std::string get(std::string_view key) = 0;
};

}  // namespace trainhost
