// What the transformer's tests share: its recipe, runs of it, and tensors of their checkpoints.
#pragma once

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <fstream>

#include "trainhost_process.h"

namespace transformer::testing {

using Arguments = std::vector<std::string>;
using trainhost::testing::Ended;

inline Arguments operator+(Arguments left, const Arguments& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

inline std::string ranks(int count) {
  return "devices={\"cpu\",count=" + std::to_string(count) + "}";
}

/// A folder with a recipe. 50 rows in batches of 12 over all ranks: the last step has 2.
struct Bench {
  trainhost::testing::TemporaryFolder folder;

  Bench() {
    std::ofstream(folder / "transformer.lua") << R"(
local scale = require "trainhost.scale"
return {
  name = "transformer",
  model = { "transformer" },
  devices = { "cpu", count = 1 },
  strategy = "ddp",
  optimizer = { "adamw", lr = 3e-3, weight_decay = 0.1 },
  train = { epochs = 2, batch = 12, seed = 5, log_every = 1, eval_every = 0, checkpoint_every = 0,
            clip_norm = 1, threads = 1 },
  scaling = { batch = scale.global },
})";
  }

  Ended run(const std::string& name, const Arguments& more) const {
    return trainhost::testing::run(Arguments{"transformer.lua", "--run-dir", folder / name} + more,
                                   folder.path());
  }
  std::map<std::string, double> losses_of(const std::string& name, const Arguments& more) const {
    const Ended ended = run(name, more);
    INFO(ended.output);
    REQUIRE(ended.code == 0);
    return trainhost::testing::losses(folder / name);
  }
  std::map<std::string, std::string> tensors_of(const std::string& name) const {
    return trainhost::testing::checkpoint_bytes(folder / name);
  }
};

inline std::vector<float> floats(const std::string& bytes) {
  std::vector<float> out(bytes.size() / sizeof(float));
  std::memcpy(out.data(), bytes.data(), out.size() * sizeof(float));
  return out;
}

inline void check_same(const std::map<std::string, double>& left,
                       const std::map<std::string, double>& right, double tolerance) {
  REQUIRE(left.size() == right.size());
  REQUIRE(!left.empty());
  for (const auto& [step, loss] : left) {
    INFO(step);
    CHECK(std::abs(right.at(step) - loss) <= tolerance * std::abs(loss));
  }
}

}  // namespace transformer::testing
