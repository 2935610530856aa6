#include "shared_memory/work_queue.h"

#include <catch2/catch.hpp>
#include <stdexcept>
#include <vector>

TEST_CASE("jobs run in the order of issue, whoever runs them") {
  const auto queue = std::make_shared<shared_memory::WorkQueue>();
  std::vector<int> order;
  std::vector<trainhost::WorkHandle> works;
  for (int i = 0; i < 100; ++i) {
    works.push_back(queue->issue([&order, i](bool) { order.push_back(i); }));
    if (i % 7 == 0) works.back()->wait();
  }
  works.back()->wait();
  CHECK(queue->idle());
  REQUIRE(order.size() == 100);
  for (int i = 0; i < 100; ++i) CHECK(order[static_cast<std::size_t>(i)] == i);
}

TEST_CASE("an error belongs to its job alone") {
  const auto queue = std::make_shared<shared_memory::WorkQueue>();
  const auto bad = queue->issue([](bool) { throw std::runtime_error("bad"); });
  const auto good = queue->issue([](bool) {});
  CHECK_NOTHROW(good->wait());
  CHECK_THROWS_WITH(bad->wait(), "bad");
  CHECK_THROWS_WITH(bad->wait(), "bad");
}

TEST_CASE("a closed queue fails what was left and what comes later, also through its handles") {
  auto queue = std::make_shared<shared_memory::WorkQueue>();
  std::atomic<bool> go{false};
  const auto running = queue->issue([&](bool) { go.wait(false); });
  const auto left = queue->issue([](bool) {});
  std::thread closer([&] { queue->close(std::make_exception_ptr(std::runtime_error("closed"))); });
  go = true;
  go.notify_all();
  closer.join();
  CHECK(queue->idle());
  CHECK_THROWS_WITH(queue->issue([](bool) {}), "closed");
  queue.reset();
  try {
    running->wait();
    left->wait();
  } catch (const std::runtime_error& error) {
    CHECK(std::string(error.what()) == "closed");
  }
}
