// Who did not come, through the run's real store: rank 0 hosts it, each rank has a connection of
// its own.
#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <memory>
#include <thread>
#include <vector>

#include "cuda/progress_board.h"
#include "host/train/tcp_store.h"

using namespace cuda;
using namespace trainhost;

namespace {

/// A socket that listens on a port of the system's choice, as the parent of a run makes it.
int listening_socket(int& port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  REQUIRE(::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  REQUIRE(::listen(socket, 16) == 0);
  REQUIRE(::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  port = ntohs(address.sin_port);
  return socket;
}

}  // namespace

TEST_CASE("the ranks that wait learn through the store who does not come") {
  constexpr int kWorld = 4, kLate = 2, kOperations = 5;
  std::atomic<std::uint32_t> word{0};
  launch::RankEnvironment base;
  base.world = kWorld;
  const int socket = listening_socket(base.master_port);
  std::vector<std::unique_ptr<train::RunStore>> stores(kWorld);
  std::vector<std::unique_ptr<ProgressBoard>> boards(kWorld);
  std::vector<std::string> said(kWorld);
  const auto on_each = [&](const auto& body) {
    std::vector<std::jthread> threads;
    for (int rank = 0; rank < kWorld; ++rank) threads.emplace_back([&, rank] { body(rank); });
  };
  on_each([&](int rank) {
    launch::RankEnvironment mine = base;
    mine.rank = rank;
    mine.listen_fd = rank == 0 ? socket : -1;
    const auto r = static_cast<std::size_t>(rank);
    stores[r] = train::make_store(mine, AbortSignal(word), 20);
    boards[r] = std::make_unique<ProgressBoard>(*stores[r], "world", rank, kWorld, 0.05);
  });
  on_each([&](int rank) {
    const auto r = static_cast<std::size_t>(rank);
    const int operations = rank == kLate ? kOperations - 2 : kOperations;
    for (int i = 1; i < operations; ++i) boards[r]->note("barrier");
    const std::string what = "all_reduce (sum) of 8 Float";
    const std::uint64_t number = boards[r]->note(what);
    if (rank != kLate) said[r] = who_is_missing(boards[r]->ask(), rank, number, what);
  });
  for (const int rank : {0, 1, 3}) {
    CHECK(said[static_cast<std::size_t>(rank)] ==
          "rank 2 did not come to this operation 5 of the group (rank 2's last was operation 3, "
          "all_reduce (sum) of 8 Float)");
  }
  boards.clear();
  while (!stores.empty()) stores.pop_back();  // its host last
}
