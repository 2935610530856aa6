// Joint: the communicators of all ranks of a process, which one thread drives together.
//
// Purpose: NCCL for rank threads (`dp`), without its headers. Owner: shared by the
// JointCommunicators and their Works. Threads and ranks: as each function says.
#pragma once

#include <span>

#include "cuda/joint_calls.h"
#include "cuda/wire.h"

namespace cuda {

class Joint {
 public:
  virtual ~Joint() = default;

  /// What `rank`'s thread has issued to its current stream comes before the next calls. Its thread.
  virtual void come(int rank) = 0;
  /// Issues the calls of all ranks as one operation. Any thread, one at a time, after all came.
  virtual void issue(std::span<const JointCall> calls) = 0;
  /// What was issued so far for `rank`. Its thread.
  virtual Issued mark(int rank) = 0;
  /// Ends what is under way, without waiting for the devices. Any thread.
  virtual void abort() noexcept = 0;
};

}  // namespace cuda
