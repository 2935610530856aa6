#include "host/launch/placement.h"

#include <catch2/catch.hpp>

using namespace trainhost;
using launch::FoundDevices;
using launch::Placement;

namespace {

// A machine with so many GPUs; 0: none, for the reason that such a machine gives.
launch::Prober machine(int gpus) {
  return [gpus](const std::string& kind) {
    FoundDevices out;
    if (kind == "cpu") {
      out.devices.push_back({0, "a CPU", -1});
      out.precisions = {"fp32", "bf16", "fp16"};
    } else if (kind == "cuda") {
      for (int i = 0; i < gpus; ++i) out.devices.push_back({i, "a GPU", 16});
      if (gpus == 0) out.why_not = "no NVIDIA driver (libcuda.so.1 not found)";
      out.precisions = {"fp32", "fp16"};
    } else {
      out.why_not = "this LibTorch has no XPU";
    }
    return out;
  };
}

struct Asked {
  std::vector<std::string> kinds;
  std::int64_t count = 0;
  std::vector<std::int64_t> indices = {};
};

Placement place(const Asked& asked, int gpus, int cores, const std::string& precision = "fp32",
                int foreign_local_rank = -1) {
  return launch::place({.devices = {.kinds = asked.kinds,
                                    .count = asked.count,
                                    .indices = asked.indices,
                                    .position = {"r.lua", 4}},
                        .precision = precision,
                        .cores = cores,
                        .foreign_local_rank = foreign_local_rank},
                       machine(gpus));
}

}  // namespace

TEST_CASE("devices become ranks") {
  struct Case {
    Asked asked;
    int gpus, cores;
    std::string kind;
    std::vector<int> indices;
    bool fallback;
    std::size_t warnings;
  };
  const std::vector<Case> cases = {
      // "auto" and -1
      {{{}}, 2, 4, "cuda", {0, 1}, false, 0},
      {{{}}, 0, 4, "cpu", {0, 0, 0, 0}, true, 0},
      // a number
      {{{}, 1}, 2, 4, "cuda", {0}, false, 0},
      {{{}, 2}, 0, 4, "cpu", {0, 0}, true, 0},
      {{{}, 8}, 0, 2, "cpu", {0, 0}, true, 0},
      // a list
      {{{}, 0, {3, 1}}, 4, 4, "cuda", {3, 1}, false, 0},
      {{{}, 0, {0, 2, 3}}, 0, 2, "cpu", {0, 0}, true, 0},
      // a kind, with and without a number
      {{{"cuda", "xpu", "cpu"}, 4}, 4, 2, "cuda", {0, 1, 2, 3}, false, 0},
      {{{"cuda", "xpu", "cpu"}, 4}, 0, 2, "cpu", {0, 0}, true, 0},
      {{{"cuda"}}, 3, 2, "cuda", {0, 1, 2}, false, 0},
      {{{"cpu"}}, 4, 2, "cpu", {0, 0}, false, 0},
      {{{"cpu"}, 1}, 4, 2, "cpu", {0}, false, 0},
      // a number named for the CPU is honoured, with a warning
      {{{"cpu"}, 4}, 0, 2, "cpu", {0, 0, 0, 0}, false, 1},
      {{{"cpu"}, 0, {0, 1, 2}}, 0, 2, "cpu", {0, 0, 0}, false, 1},
  };
  for (std::size_t i = 0; i < cases.size(); ++i) {
    INFO("case " << i);
    const Case& each = cases[i];
    const Placement found = place(each.asked, each.gpus, each.cores);
    CHECK(found.device_kind == each.kind);
    CHECK(found.indices == each.indices);
    CHECK(found.reached_by_fallback == each.fallback);
    CHECK(found.warnings.size() == each.warnings);
  }
}

TEST_CASE("the chain says why each kind was passed over") {
  CHECK(place({{"cuda", "xpu", "cpu"}, 4}, 0, 2).chain ==
        "cuda: no NVIDIA driver (libcuda.so.1 not found) → xpu: this LibTorch has no XPU → cpu: 2 "
        "ranks");
  CHECK(place({{"cpu"}, 1}, 0, 2).chain == "cpu: 1 rank");
}

TEST_CASE("what cannot be served is refused with the fix") {
  CHECK_THROWS_WITH(place({{"cuda"}, 4}, 2, 2),
                    Catch::Contains("4 cuda devices are asked for, 2 can be used here") &&
                        Catch::Contains("devices=2"));
  CHECK_THROWS_WITH(place({{"cuda", "cpu"}, 0, {0, 5}}, 2, 2),
                    Catch::Contains("there is no cuda device 5") && Catch::Contains("0, 1"));
  CHECK_THROWS_WITH(place({{"cuda"}}, 0, 2), Catch::Contains("r.lua:4") &&
                                                 Catch::Contains("no NVIDIA driver") &&
                                                 Catch::Contains("fallback"));
  CHECK_THROWS_WITH(place({{"cuda"}, 0, {1, 1}}, 2, 2), Catch::Contains("listed twice"));
  CHECK_THROWS_WITH(place({{"cpu"}, 5000}, 2, 2), Catch::Contains("1024"));
  try {
    place({{"cuda"}, 4}, 2, 2);
  } catch (const Error& error) {
    CHECK(error.failure() == Failure::kDevice);
  }
}

TEST_CASE("fp16 on a CPU") {
  SECTION("reached by fallback becomes fp32, announced") {
    const Placement found = place({{"cuda", "cpu"}, 2}, 0, 2, "fp16");
    CHECK(found.precision == "fp32");
    CHECK_THAT(found.precision_note, Catch::Contains("fp16 → fp32"));
    CHECK(place({{}}, 0, 2, "fp16").precision == "fp32");
  }
  SECTION("named by the recipe runs, with a warning") {
    const Placement found = place({{"cpu"}, 2}, 0, 2, "fp16");
    CHECK(found.precision == "fp16");
    CHECK(found.precision_note.empty());
    REQUIRE(found.warnings.size() == 1);
    CHECK_THAT(found.warnings[0], Catch::Contains("slow"));
  }
  SECTION("bf16 stays") { CHECK(place({{"cuda", "cpu"}, 2}, 0, 2, "bf16").precision == "bf16"); }
}

TEST_CASE("a precision that the device cannot do is refused with what it can") {
  CHECK_THROWS_WITH(
      place({{"cuda"}, 1}, 1, 2, "bf16"),
      Catch::Contains("cannot do precision bf16") && Catch::Contains("one of fp32, fp16"));
}

TEST_CASE("a rank that another launcher placed takes one device") {
  CHECK(place({{"cuda"}}, 4, 2, "fp32", 2).indices == std::vector<int>{2});
  CHECK(place({{"cuda"}}, 1, 2, "fp32", 2).indices == std::vector<int>{0});
  CHECK(place({{"cuda"}, 0, {3, 1}}, 4, 2, "fp32", 1).indices == std::vector<int>{1});
  CHECK(place({{"cpu"}, 4}, 0, 2, "fp32", 3).indices == std::vector<int>{0});
  CHECK_THROWS_WITH(place({{"cuda"}}, 2, 2, "fp32", 2), Catch::Contains("3 cuda devices"));
}

namespace {

using Attempts = std::vector<launch::FailedAttempt>;

Placement place_after(const Asked& asked, const Attempts& failed, int gpus = 3, int sharing = 1) {
  return launch::place({.devices = {.kinds = asked.kinds,
                                    .count = asked.count,
                                    .indices = asked.indices,
                                    .position = {"r.lua", 4}},
                        .cores = 2,
                        .ranks_per_device = sharing,
                        .failed = failed},
                       machine(gpus));
}

const Attempts kSecondIsBusy = {{"cuda", {0, 1, 2}, 1, "it is busy"}};

}  // namespace

TEST_CASE("where one of several devices does not open, another of its kind is taken alone") {
  const std::vector<Asked> allowing = {{{}}, {{"cuda"}}, {{"cuda", "cpu"}, 3}};
  for (const Asked& asked : allowing) {
    const Placement found = place_after(asked, kSecondIsBusy);
    CHECK(found.device_kind == "cuda");
    CHECK(found.indices == std::vector<int>{0});
    CHECK(found.reached_by_fallback);
    CHECK(found.chain == "cuda: device 1: it is busy → cuda: 1 rank");
    REQUIRE(found.warnings.size() == 1);
    CHECK(found.warnings[0] == "the run goes on with cuda device 0 alone: device 1: it is busy");
  }
  CHECK(place_after({{}}, {{"cuda", {0, 1, 2}, 0, "it is busy"}}).indices == std::vector<int>{1});
  CHECK(place_after({{}, 0, {2, 1}}, {{"cuda", {2, 1}, 2, "it is busy"}}).indices ==
        std::vector<int>{1});
  CHECK(place_after({{}}, kSecondIsBusy, 3, 2).indices == std::vector<int>{0, 0});
}

TEST_CASE("devices that cannot be connected leave one of them") {
  const Placement found = place_after({{}}, {{"cuda", {0, 1}, -1, "no way between them"}});
  CHECK(found.indices == std::vector<int>{0});
  CHECK(found.chain ==
        "cuda: devices 0, 1 cannot be connected: no way between them → cuda: 1 rank");
}

TEST_CASE("after one device alone comes the next kind") {
  const Placement found =
      place_after({{"cuda", "xpu", "cpu"}, 4}, {{"cuda", {0}, 0, "its memory is full already"}});
  CHECK(found.device_kind == "cpu");
  CHECK(found.indices == std::vector<int>{0, 0});
  CHECK(found.reached_by_fallback);
  CHECK(found.chain ==
        "cuda: device 0: its memory is full already → xpu: this LibTorch has no XPU → cpu: 2 "
        "ranks");
  REQUIRE(found.warnings.size() == 1);
  CHECK(found.warnings[0] ==
        "the run goes on with cpu: cuda: device 0: its memory is full already");

  const Placement third =
      place_after({{}}, {{"cuda", {0, 1, 2}, 1, "it is busy"}, {"cuda", {0}, 0, "it is busy too"}});
  CHECK(third.device_kind == "cpu");
  CHECK(third.chain ==
        "cuda: device 1: it is busy → cuda: device 0: it is busy too → xpu: this LibTorch has no "
        "XPU → cpu: 2 ranks");
}

TEST_CASE("what a recipe fixes is not replaced when it does not open") {
  CHECK_THROWS_WITH(place_after({{"cuda"}, 3}, kSecondIsBusy),
                    Catch::Contains("cuda: device 1: it is busy") && Catch::Contains("fallback"));
  CHECK_THROWS_WITH(place_after({{"cuda"}, 0, {0, 1}}, {{"cuda", {0, 1}, 1, "it is busy"}}),
                    Catch::Contains("it is busy"));
  CHECK_THROWS_WITH(place_after({{"cuda"}}, {{"cuda", {0}, 0, "it is busy"}}, 1),
                    Catch::Contains("it is busy"));
  try {
    place_after({{"cuda"}, 3}, kSecondIsBusy);
  } catch (const Error& error) {
    CHECK(error.failure() == Failure::kDevice);
  }
}

TEST_CASE("fp16 becomes fp32 where the CPU is reached because devices did not open") {
  const Placement found = launch::place(
      {.devices = {.kinds = {"cuda", "cpu"}, .count = 0, .indices = {}, .position = {"r.lua", 4}},
       .precision = "fp16",
       .cores = 2,
       .failed = {{"cuda", {0}, 0, "it is busy"}}},
      machine(1));
  CHECK(found.precision == "fp32");
  CHECK_THAT(found.precision_note, Catch::Contains("fp16 → fp32"));
}
