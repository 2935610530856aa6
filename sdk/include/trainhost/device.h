// Device: a kind of hardware (cpu, cuda, xpu), and DeviceSession: one opened device of a rank.
//
// Purpose: what a strategy and the trainer need to know of hardware, and the communicators that
// belong to it. Owner: the host owns a Device for the life of the process and the sessions it
// opens; a session outlives its communicators. Threads and ranks: a Device is used from the rank
// program's main thread; a session from the rank's thread, unless said otherwise.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "trainhost/abort.h"
#include "trainhost/communicator.h"
#include "trainhost/store.h"

namespace trainhost {

/// Bytes; -1 where the device cannot tell.
struct MemoryStatistics {
  std::int64_t allocated = -1;       ///< by this rank, now
  std::int64_t peak_allocated = -1;  ///< by this rank, since reset_peak_memory
  std::int64_t device_total = -1;
  std::int64_t device_free = -1;
};

/// What sensors say; NaN where the device has none.
struct Gauges {
  double power_watts = std::numeric_limits<double>::quiet_NaN();
  double temperature_celsius = std::numeric_limits<double>::quiet_NaN();
};

struct OpenOptions {
  int threads = 1;              ///< CPU threads for the operations of this rank
  double timeout_seconds = 30;  ///< how long a collective waits for another rank
  AbortSignal abort;            ///< looked at by everything that waits
};

class DeviceSession {
 public:
  virtual ~DeviceSession() = default;

  virtual at::Device device() const = 0;
  virtual MemoryStatistics memory() const = 0;
  virtual void reset_peak_memory() = 0;
  /// The share of its time that the device has worked for this rank since the last call, 0 to 1;
  /// NaN where it cannot tell.
  virtual double utilisation() { return std::numeric_limits<double>::quiet_NaN(); }
  virtual Gauges gauges() { return {}; }
  /// Returns when all work issued to the device is done.
  virtual void synchronize() = 0;

  /// Makes this rank's end of a group of processes. `name` is unique to the group and a prefix of
  /// the keys used in the store.  [collective]
  virtual std::unique_ptr<Communicator> communicator(Store& store, const std::string& name,
                                                     int rank, int world) = 0;

  /// Streams by role, for devices that have them: makes `role` the current stream of the calling
  /// thread until the returned guard is destroyed; null where work is synchronous.
  enum class Stream { kCompute, kCommunication, kCopy };
  class StreamGuard {
   public:
    virtual ~StreamGuard() = default;
  };
  virtual std::unique_ptr<StreamGuard> use(Stream) { return nullptr; }
  /// Work issued later on `waiting` starts after what was issued so far on `issued`.
  virtual void order(Stream /*waiting*/, Stream /*issued*/) {}
};

class Device {
 public:
  virtual ~Device() = default;

  /// Opens the device of this index. Errors: Failure::kDevice with the true first reason.
  virtual std::unique_ptr<DeviceSession> open(int index, const OpenOptions& options) = 0;

  /// One communicator for each session: a group of ranks that are threads of this process (`dp`,
  /// virtual ranks). Each is then used from its rank's thread. Called on any thread, one at a time.
  virtual std::vector<std::unique_ptr<Communicator>> local_communicators(
      std::span<DeviceSession* const> sessions, const OpenOptions& options) = 0;
};

}  // namespace trainhost
