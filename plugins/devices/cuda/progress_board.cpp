#include "cuda/progress_board.h"

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <utility>

namespace cuda {
namespace {

constexpr std::chrono::seconds kStorePatience{2};

std::string text_of(const RankPlace& place) {
  return std::to_string(place.number) + " " + place.what;
}

RankPlace place_of(const std::string& text) {
  const std::size_t cut = text.find(' ');
  return {std::strtoull(text.c_str(), nullptr, 10),
          cut == std::string::npos ? std::string() : text.substr(cut + 1)};
}

// Ranks may exchange different counts: then the operation's name is all that must be equal.
bool same_operation(const std::string& a, const std::string& b) {
  const std::string name = a.substr(0, a.find(' '));
  return a == b || (name == "all_to_all" && b.starts_with(name));
}

std::string listed(const std::vector<int>& ranks) {
  std::string out = ranks.size() == 1 ? "rank " : "ranks ";
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    out += (i == 0 ? "" : ", ") + std::to_string(ranks[i]);
  }
  return out;
}

void add_sentence(std::string& text, const std::string& sentence) {
  text += (text.empty() ? "" : "; ") + sentence;
}

}  // namespace

ProgressBoard::ProgressBoard(trainhost::Store& store, std::string group, int rank, int world,
                             double period_seconds)
    : store_(store),
      group_(std::move(group)),
      rank_(rank),
      world_(world),
      period_(period_seconds),
      grace_(std::max(2 * period_seconds, 1.0)),
      places_(static_cast<std::size_t>(world)) {
  store_.set(key(rank_), text_of(here_));
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

ProgressBoard::~ProgressBoard() = default;

std::string ProgressBoard::key(int rank) const {
  return group_ + "/progress/" + std::to_string(rank);
}

std::uint64_t ProgressBoard::note(std::string what) {
  const std::lock_guard lock(mutex_);
  here_.what = std::move(what);
  return ++here_.number;
}

std::vector<std::optional<RankPlace>> ProgressBoard::ask() {
  std::unique_lock lock(mutex_);
  const std::uint64_t mine = ++questions_;
  wake_.notify_all();
  answered_.wait_for(lock, grace_ + kStorePatience, [&] { return answers_ >= mine; });
  if (answers_ < mine) return std::vector<std::optional<RankPlace>>(places_.size());
  return places_;
}

void ProgressBoard::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    wake_.wait_for(lock, stop, period_, [&] { return questions_ > answers_; });
    if (stop.stop_requested()) return;
    const std::uint64_t asked = questions_;
    if (here_.number != posted_) post(lock);
    if (asked == answers_) continue;
    // The others post what they have come to meanwhile.
    wake_.wait_for(lock, stop, grace_, [] { return false; });
    if (stop.stop_requested()) return;
    read(lock);
    answers_ = asked;
    answered_.notify_all();
  }
}

void ProgressBoard::post(std::unique_lock<std::mutex>& lock) {
  const RankPlace place = here_;
  posted_ = place.number;
  lock.unlock();
  try {
    store_.set(key(rank_), text_of(place));
  } catch (const std::exception&) {
    // The store's host may have ended: who asks is told that nothing is known.
  }
  lock.lock();
}

void ProgressBoard::read(std::unique_lock<std::mutex>& lock) {
  std::vector<std::optional<RankPlace>> places(places_.size());
  const RankPlace here = here_;
  lock.unlock();
  for (int rank = 0; rank < world_; ++rank) {
    try {
      // There since the board was made, so this does not wait.
      auto& place = places[static_cast<std::size_t>(rank)];
      place = rank == rank_ ? here : place_of(store_.get(key(rank)));
    } catch (const std::exception&) {
      break;  // what has failed once would fail for each, and may take its time
    }
  }
  lock.lock();
  places_ = std::move(places);
}

std::string who_is_missing(const std::vector<std::optional<RankPlace>>& places, int rank,
                           std::uint64_t number, const std::string& what) {
  std::vector<int> behind, unknown;
  std::string others, last;
  for (int other = 0; other < static_cast<int>(places.size()); ++other) {
    const auto& place = places[static_cast<std::size_t>(other)];
    if (other == rank) continue;
    if (!place) {
      unknown.push_back(other);
    } else if (place->number < number) {
      behind.push_back(other);
      add_sentence(last, listed({other}) + (place->number == 0 ? " has issued none yet"
                                                               : "'s last was operation " +
                                                                     std::to_string(place->number) +
                                                                     ", " + place->what));
    } else if (place->number == number && !same_operation(what, place->what)) {
      add_sentence(others, listed({other}) + " issued another one instead: " + place->what);
    }
  }
  std::string out;
  if (!behind.empty()) {
    add_sentence(out, listed(behind) + " did not come to this operation " + std::to_string(number) +
                          " of the group (" + last + ")");
  }
  if (!others.empty()) add_sentence(out, others);
  if (!unknown.empty()) {
    add_sentence(out, "the run's store does not tell how far " + listed(unknown) + " came");
  }
  if (!out.empty()) return out;
  return "every rank has issued it: one of their GPUs, or the link between them, hangs";
}

}  // namespace cuda
