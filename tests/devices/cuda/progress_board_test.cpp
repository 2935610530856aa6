// Who did not come to a collective, from what each rank posts in a store.
#include "cuda/progress_board.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <memory>

#include "memory_store.h"

using Catch::Matchers::Contains;
using namespace cuda;

namespace {

using Places = std::vector<std::optional<RankPlace>>;

/// Counts what it is told.
class CountingStore final : public trainhost::Store {
 public:
  void set(std::string_view key, std::string_view value) override {
    ++sets;
    inner_.set(key, value);
  }
  std::string get(std::string_view key) override { return inner_.get(key); }
  std::atomic<int> sets{0};

 private:
  MemoryStore inner_;
};

/// Answers until `dead`; then each call fails as that of a store whose host is gone.
class MortalStore final : public trainhost::Store {
 public:
  void set(std::string_view key, std::string_view value) override {
    check();
    inner_.set(key, value);
  }
  std::string get(std::string_view key) override {
    check();
    return inner_.get(key);
  }
  std::atomic<bool> dead{false};

 private:
  void check() const {
    if (dead) throw std::runtime_error("connection reset by peer");
  }
  MemoryStore inner_;
};

/// Does not return from a call while it is stuck, as where the store's host was stopped.
class StuckStore final : public trainhost::Store {
 public:
  void set(std::string_view, std::string_view) override { stuck_.wait(true); }
  std::string get(std::string_view) override {
    stuck_.wait(true);
    return "0 ";
  }
  void stick(bool stuck) {
    stuck_ = stuck;
    stuck_.notify_all();
  }

 private:
  std::atomic<bool> stuck_{false};
};

}  // namespace

TEST_CASE("a rank that computes elsewhere is seen behind those that wait") {
  MemoryStore store;
  std::vector<std::unique_ptr<ProgressBoard>> boards;
  for (int rank = 0; rank < 3; ++rank) {
    boards.push_back(std::make_unique<ProgressBoard>(store, "world", rank, 3, 0.02));
  }
  for (int i = 0; i < 41; ++i) {
    for (const auto& board : boards) board->note("all_gather of 8 Float");
  }
  const std::string what = "all_reduce (sum) of 16 Float";
  CHECK(boards[0]->note(what) == 42);
  CHECK(boards[2]->note(what) == 42);
  const Places places = boards[0]->ask();
  REQUIRE(places.size() == 3);
  REQUIRE((places[0] && places[1] && places[2]));
  CHECK(places[1]->number == 41);
  CHECK(places[1]->what == "all_gather of 8 Float");
  CHECK(places[2]->number == 42);
  CHECK(who_is_missing(places, 0, 42, what) ==
        "rank 1 did not come to this operation 42 of the group (rank 1's last was operation 41, "
        "all_gather of 8 Float)");
  // It comes after all: who asks again hears of it.
  boards[1]->note(what);
  CHECK(boards[2]->ask()[1]->number == 42);
}

TEST_CASE("two ranks may ask at once") {
  MemoryStore store;
  ProgressBoard first(store, "g", 0, 2, 0.01), second(store, "g", 1, 2, 0.01);
  first.note("a");
  auto other = std::async(std::launch::async, [&] { return second.ask(); });
  CHECK(first.ask()[1]->number == 0);
  CHECK(other.get()[0]->number == 1);
}

TEST_CASE("groups do not read each other's places") {
  MemoryStore store;
  ProgressBoard world(store, "world", 0, 2, 0.01), other(store, "world", 1, 2, 0.01);
  ProgressBoard strategy(store, "strategy", 0, 2, 0.01), last(store, "strategy", 1, 2, 0.01);
  other.note("a");
  CHECK(world.ask()[1]->number == 1);
  CHECK(strategy.ask()[1]->number == 0);
}

TEST_CASE("the store does not hear of each operation") {
  CountingStore store;
  constexpr double kNever = 1000;
  ProgressBoard board(store, "world", 0, 1, kNever);
  for (int i = 0; i < 1000; ++i) board.note("all_reduce (sum) of 1 Float");
  CHECK(store.sets == 1);
}

TEST_CASE("a store that is gone costs the names, not the answer") {
  MortalStore store;
  ProgressBoard board(store, "world", 0, 2, 0.01), other(store, "world", 1, 2, 0.01);
  store.dead = true;
  board.note("barrier");
  const Places places = board.ask();
  CHECK_FALSE(places[1]);
  CHECK_THAT(who_is_missing(places, 0, 1, "barrier"),
             Contains("the run's store does not tell how far rank 1 came"));
}

TEST_CASE("a store that does not answer holds up nobody but itself") {
  StuckStore store;
  ProgressBoard board(store, "world", 0, 3, 0.01);
  store.stick(true);
  CHECK(board.note("barrier") == 1);
  const Places places = board.ask();
  CHECK_FALSE(places[0]);
  CHECK_THAT(who_is_missing(places, 0, 1, "barrier"), Contains("how far ranks 1, 2 came"));
  store.stick(false);
}

TEST_CASE("several ranks behind, one of them before its first operation") {
  const Places places{RankPlace{0, ""}, RankPlace{7, "x"}, RankPlace{5, "barrier"},
                      RankPlace{7, "x"}};
  CHECK(who_is_missing(places, 3, 7, "x") ==
        "ranks 0, 2 did not come to this operation 7 of the group (rank 0 has issued none yet; "
        "rank 2's last was operation 5, barrier)");
}

TEST_CASE("a rank that issued another operation is told of") {
  const Places places{RankPlace{7, "all_reduce (sum) of 8 Float"}, RankPlace{7, "barrier"},
                      RankPlace{9, "broadcast of 1 Float, root 0"}};
  CHECK(who_is_missing(places, 0, 7, "all_reduce (sum) of 8 Float") ==
        "rank 1 issued another one instead: barrier");
  // Each rank's own count is part of the text.
  const Places exchange{RankPlace{3, "all_to_all of 8 Float"},
                        RankPlace{3, "all_to_all of 0 Float"}};
  CHECK_THAT(who_is_missing(exchange, 0, 3, "all_to_all of 8 Float"), Contains("every rank"));
}

TEST_CASE("where all have come, a GPU or a link is to blame") {
  const Places places{RankPlace{7, "x"}, RankPlace{8, "y"}};
  CHECK(who_is_missing(places, 0, 7, "x") ==
        "every rank has issued it: one of their GPUs, or the link between them, hangs");
}
