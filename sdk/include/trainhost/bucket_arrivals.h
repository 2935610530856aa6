// BucketArrivals: says when the gradients of a bucket are all there.
//
// Purpose: a backward makes gradients in an order of its own; ranks must issue their reductions in
// one. So a bucket is issued once it and all before it are full, and what is left when backward
// ends is issued then: those hold parameters that this backward did not reach on this rank. A
// building block (link trainhost::blocks). Owner: whoever reduces. Threads and ranks: `arrived` may
// come from autograd's threads; `issue` is called under a lock, in the order of buckets, on
// whatever thread made the last gradient.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <vector>

#include "trainhost/bucket_layout.h"
#include "trainhost/replica.h"

namespace trainhost {

class BucketArrivals {
 public:
  using Issue = std::function<void(std::size_t bucket)>;

  BucketArrivals(const std::vector<BucketLayout>& layouts, const Replica& replica, Issue issue);

  /// The parameters of a bucket that get gradients.
  const std::vector<Replica::Parameter*>& parameters(std::size_t bucket) const {
    return buckets_[bucket].parameters;
  }
  bool in_use(std::size_t bucket, int objective) const {
    return buckets_[bucket].objectives[objective];
  }

  /// Around a backward whose gradients are reduced.
  void begin(int objective);
  void arrived(const Replica::Parameter& parameter);
  /// Between hold(true) and hold(false) nothing is issued (StrategySession::hold).
  void hold(bool on);
  void end();
  /// The backward, if there is one, does not come to its end: nothing more is issued.
  void abandon();

 private:
  struct Bucket {
    std::vector<bool> objectives;
    std::vector<Replica::Parameter*> parameters;
    std::size_t arrived = 0;  // in this backward
  };

  void issue_until(bool all);

  const Issue issue_;
  std::map<const Replica::Parameter*, std::size_t> bucket_of_;
  std::mutex mutex_;
  // State below is protected by mutex_.
  std::vector<Bucket> buckets_;
  int objective_ = 0;
  bool reducing_ = false;
  bool held_ = false;
  std::size_t next_ = 0;  // the first bucket not issued yet
};

}  // namespace trainhost
