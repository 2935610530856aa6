#include "host/train/rank_host.h"

#include "trainhost/error.h"

namespace trainhost::train {

void RankHost::log(Level level, std::string_view message) {
  events_.log(level, settings_.rank, message);
}

void RankHost::progress(std::string_view what, std::int64_t done, std::int64_t total) {
  control_.beat(settings_.control_slot);
  if (settings_.rank == 0) events_.progress(what, done, total);
  check_still_wanted();
}

void RankHost::announce_stand_in(std::string_view what) {
  stood_in_ = true;
  if (settings_.rank == 0) events_.stand_in(what);
}

void RankHost::check_still_wanted() const {
  if (control_.abort_signal().raised()) {
    throw Error(Failure::kRankLost, {.where = "rank " + std::to_string(settings_.rank),
                                     .what = "the run was ended by another rank"});
  }
  if (!training_ && control_.stop_signal() != 0) throw Interrupted{control_.stop_signal()};
}

}  // namespace trainhost::train
