// ParameterStore: where the parameters are, whole or in parts.
//
// Purpose: a resident bucket is whole on every rank, and after an update the ranks exchange their
// parts of it while the next forward already runs (stages 1 and 2). Of the others (stage 3, one
// unit each) a rank keeps its part; the whole is gathered when the unit is needed and given back
// after: its tensors stay, the memory below them comes and goes. So what autograd has saved is
// right again once the unit is back. One unit may be on its way before it is needed. Owner: a
// session; borrows layouts, communicator and host memory. Threads and ranks: the rank's thread, and
// autograd's while it runs backward.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "host_memory.h"
#include "shard_layout.h"
#include "trainhost/strategy.h"

namespace zero {

class ParameterStore {
 public:
  struct Settings {
    /// Buckets with fewer elements are resident, and with one rank all are that the host does not
    /// hold.
    std::int64_t resident_below = 0;
    /// Where this rank's part of the others lies; null: on the device.
    HostMemory* host = nullptr;
  };

  /// `gathers`: the group on which parameters travel; all its operations are issued in one order
  /// on all ranks, whatever happens to gradients meanwhile.
  ParameterStore(const trainhost::AttachContext& context, const std::vector<ShardLayout>& layouts,
                 trainhost::Communicator& gathers, const Settings& settings);
  ~ParameterStore();
  ParameterStore(const ParameterStore&) = delete;
  ParameterStore& operator=(const ParameterStore&) = delete;

  /// For Replica::Settings: the bytes of a unit, to be initialised whole.
  at::Tensor allocate(int unit);
  void initialised(int unit);

  /// This rank's part of a bucket, flat; it stays where it is.
  const at::Tensor& mine(std::size_t bucket) const { return buckets_[bucket].mine; }
  /// After mine(bucket) has changed, on all ranks.  [collective]
  void updated(std::size_t bucket);
  /// Until what `updated` began is done.
  void wait();

  /// Makes the parameters of a unit readable until as many calls of `release`. True where they had
  /// to be gathered, now or by `prefetch`.  [collective]
  bool acquire(int unit);
  void release(int unit);

  /// Whether a unit's parameters come and go.
  bool comes_and_goes(int unit) const;
  /// Begins to gather a unit that comes and goes and that nobody has acquired, unless one is on its
  /// way already. If another one is acquired next, it is given up.  [collective]
  void prefetch(int unit);
  /// Nobody needs a unit any more, whoever has acquired it: an exception was thrown.
  void release_all();
  /// Gives up what `prefetch` has begun: to be called before parameters change.  [collective]
  void drop_prefetched();

 private:
  struct Bucket {
    const ShardLayout* layout;
    bool resident = true;
    at::Tensor whole;  // u8; of a unit that is not resident, its memory comes and goes
    at::Tensor mine;
    trainhost::WorkHandle spreading{};
    int users = 0;
    at::Tensor slot{};  // the memory below `whole` at present
    trainhost::WorkHandle coming{};
  };

  Bucket* bucket_of(int unit);
  void begin_gather(Bucket& bucket);
  void give_memory(Bucket& bucket);
  void take_memory(Bucket& bucket);
  at::Tensor take_slot(std::int64_t bytes);

  trainhost::Communicator& gathers_;
  const at::TensorOptions bytes_;
  std::vector<Bucket> buckets_;
  std::vector<int> bucket_of_unit_;  // -1: without parameters
  std::vector<at::Tensor> free_slots_;
  Bucket* prefetched_ = nullptr;  // gathered, or being so, and not acquired
};

}  // namespace zero
