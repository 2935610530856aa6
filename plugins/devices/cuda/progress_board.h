// ProgressBoard: how far each rank of a group has come, posted in the run's store.
//
// Purpose: NCCL does not tell which rank did not come to a collective; the board does. Owner: a
// Group; the store outlives it. Threads and ranks: note() and ask() from the rank's threads; a
// thread of its own speaks to the store, so that one which does not answer holds up nobody.
//
// Rationale: a rank posts its place when it has changed and a period has passed, never by
// operation: the store hears of a group some times a minute. Who asks waits for two periods, a
// second at least, after which every rank that lives has posted where it was at the time-out.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "trainhost/store.h"

namespace cuda {

/// The last operation that a rank has issued: they count from 1, in the same order on all ranks.
struct RankPlace {
  std::uint64_t number = 0;  ///< 0: none yet
  std::string what{};
};

class ProgressBoard {
 public:
  /// Posts that nothing was issued yet.  [collective: every rank of the group has a board, and
  /// asks only after all have been made]
  ProgressBoard(trainhost::Store& store, std::string group, int rank, int world,
                double period_seconds);
  ~ProgressBoard();
  ProgressBoard(const ProgressBoard&) = delete;
  ProgressBoard& operator=(const ProgressBoard&) = delete;

  /// This rank issues its next operation; its number.
  std::uint64_t note(std::string what);

  /// Where each rank is, by rank; nothing for one of whom the store does not tell. Takes two
  /// periods, a second at least, and two more where the store does not answer.
  std::vector<std::optional<RankPlace>> ask();

 private:
  void run(const std::stop_token& stop);
  void post(std::unique_lock<std::mutex>& lock);
  void read(std::unique_lock<std::mutex>& lock);
  std::string key(int rank) const;

  // Constant after construction.
  trainhost::Store& store_;
  const std::string group_;
  const int rank_, world_;
  const std::chrono::duration<double> period_, grace_;

  // State below is protected by mutex_.
  std::mutex mutex_;
  std::condition_variable_any wake_, answered_;
  RankPlace here_;
  std::uint64_t posted_ = 0;
  std::uint64_t questions_ = 0, answers_ = 0;
  std::vector<std::optional<RankPlace>> places_;

  std::jthread thread_;  // last: it uses the others
};

/// Why operation `number` of rank `rank` does not end, in words: who is behind, or issued something
/// else, or that all have come.
std::string who_is_missing(const std::vector<std::optional<RankPlace>>& places, int rank,
                           std::uint64_t number, const std::string& what);

}  // namespace cuda
