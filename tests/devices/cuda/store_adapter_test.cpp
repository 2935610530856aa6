// The host's store as c10d sees it.
#include "cuda/store_adapter.h"

#include <catch2/catch.hpp>
#include <chrono>

#include "memory_store.h"

using Catch::Matchers::Contains;
using cuda::StoreAdapter;

TEST_CASE("keys lie below the prefix, values are bytes of any kind") {
  MemoryStore store;
  const auto adapter = c10::make_intrusive<StoreAdapter>(store, "world/nccl/");
  const std::vector<std::uint8_t> id{0, 1, 255, 0, 7};
  adapter->set("0", id);
  CHECK(store.has("world/nccl/0"));
  CHECK(adapter->get("0") == id);
  CHECK_NOTHROW(adapter->wait({"0"}));
  CHECK_NOTHROW(adapter->wait({"0"}, std::chrono::milliseconds(1)));
  CHECK(adapter->clone()->get("0") == id);
}

TEST_CASE("a key that does not come is the store's own error") {
  MemoryStore store(0.02);
  const auto adapter = c10::make_intrusive<StoreAdapter>(store, "p/");
  CHECK_THROWS_WITH(adapter->get("1"), Contains("no rank set 'p/1'"));
  CHECK_THROWS_AS(adapter->wait({"1"}), trainhost::Error);
}

TEST_CASE("after the group was made, and for what the store cannot do, there is an error") {
  MemoryStore store;
  const auto adapter = c10::make_intrusive<StoreAdapter>(store, "p/");
  CHECK_THROWS_WITH(adapter->add("x", 1), Contains("add"));
  CHECK_THROWS_WITH(adapter->check({"x"}), Contains("check"));
  CHECK_THROWS_WITH(adapter->deleteKey("x"), Contains("deleteKey"));
  CHECK_THROWS_WITH(adapter->getNumKeys(), Contains("getNumKeys"));
  adapter->leave();
  CHECK_THROWS_WITH(adapter->get("x"), Contains("after the group was made"));
}
