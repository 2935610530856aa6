// What the tests of the whole sbert plugin share: a small recipe, runs of it, arrays and goldens.
#pragma once

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "trainhost_process.h"

namespace sbert::testing {

using Arguments = std::vector<std::string>;
using trainhost::testing::Ended;
using Json = nlohmann::json;

inline Arguments operator+(Arguments left, const Arguments& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

inline std::string ranks(int count) {
  return "devices={\"cpu\",count=" + std::to_string(count) + "}";
}

inline std::string read(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void write(const std::string& file, const std::string& text) {
  std::ofstream(file, std::ios::binary) << text;
}

inline Json golden() { return Json::parse(read(std::string(SBERT_GOLDEN) + "/directories.json")); }
inline std::string golden_folder(const std::string& style) {
  return std::string(SBERT_GOLDEN) + "/directories/" + style;
}

/// The rows of a .npy file of float32.
inline std::vector<std::vector<float>> array(const std::string& file) {
  const std::string bytes = read(file);
  REQUIRE(bytes.size() > 10);
  REQUIRE(bytes.substr(0, 8) == std::string("\x93NUMPY\x01\x00", 8));
  const std::size_t header =
      static_cast<unsigned char>(bytes[8]) + 256U * static_cast<unsigned char>(bytes[9]);
  const std::string text = bytes.substr(10, header);
  REQUIRE((10 + header) % 64 == 0);
  REQUIRE(text.find("'descr': '<f4', 'fortran_order': False") != std::string::npos);
  const std::size_t shape = text.find('(');
  const auto rows = static_cast<std::size_t>(std::stoll(text.substr(shape + 1)));
  const auto columns = static_cast<std::size_t>(std::stoll(text.substr(text.find(',', shape) + 1)));
  REQUIRE(bytes.size() == 10 + header + rows * columns * sizeof(float));
  std::vector<std::vector<float>> out(rows, std::vector<float>(columns));
  for (std::size_t row = 0; row < rows; ++row) {
    std::memcpy(out[row].data(), bytes.data() + 10 + header + row * columns * sizeof(float),
                columns * sizeof(float));
  }
  return out;
}

/// A folder with a recipe of a small encoder on 50 generated rows in batches of 12 over all ranks:
/// the last step has 2.
struct Bench {
  trainhost::testing::TemporaryFolder folder;

  Bench() {
    write(folder / "small.lua", R"(
local scale = require "trainhost.scale"
return {
  name = "small",
  model = {
    "sbert", loss = "cosine",
    encoder = { hidden = 16, layers = 2, heads = 2, intermediate = 24, positions = 32 },
  },
  data = { synthetic = { rows = 50 } },
  devices = { "cpu", count = 1 },
  strategy = "ddp",
  optimizer = { "adamw", lr = 3e-3, weight_decay = 0.1 },
  train = { epochs = 2, batch = 12, seed = 5, log_every = 1, eval_every = 0, checkpoint_every = 0,
            clip_norm = 1, threads = 1 },
  scaling = { batch = scale.global },
})");
  }

  Ended trainhost(const Arguments& words) const {
    return trainhost::testing::run(words, folder.path());
  }
  Ended run(const std::string& name, const Arguments& more) const {
    return trainhost(Arguments{"small.lua", "--run-dir", folder / name} + more);
  }
  /// The output, which is to have ended well.
  std::string done(const Ended& ended) const {
    INFO(ended.output);
    REQUIRE(ended.code == 0);
    return ended.output;
  }
  std::map<std::string, double> losses_of(const std::string& name, const Arguments& more) const {
    done(run(name, more));
    return trainhost::testing::losses(folder / name);
  }
};

inline void check_same(const std::map<std::string, double>& left,
                       const std::map<std::string, double>& right, double tolerance) {
  REQUIRE(left.size() == right.size());
  REQUIRE(!left.empty());
  for (const auto& [step, loss] : left) {
    INFO(step);
    CHECK(std::abs(right.at(step) - loss) <= tolerance * std::abs(loss));
  }
}

}  // namespace sbert::testing
