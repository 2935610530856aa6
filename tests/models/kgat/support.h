// What the tests of KGAT share: small graphs, random numbers, and comparisons.
#pragma once

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "dataset.h"
#include "graph.h"
#include "trainhost/error.h"
#include "trainhost/random.h"

namespace kgat::testing {

/// Uniform over [-scale, scale).
inline std::vector<float> noise(std::size_t size, float scale, std::uint64_t seed) {
  auto draws = trainhost::Random(seed, "test").at(0, 0, 0);
  std::vector<float> out(size);
  for (float& value : out) value = scale * (2.0F * draws.uniform() - 1.0F);
  return out;
}

/// A random data set; with `hub`, item 0 and entity n_entities-1 have very many neighbours.
inline Dataset random_dataset(std::int32_t n_users, std::int32_t n_items, std::int32_t n_entities,
                              bool hub, std::uint64_t seed) {
  auto draws = trainhost::Random(seed, "dataset").at(0, 0, 0);
  const auto below = [&draws](std::int32_t bound) {
    return static_cast<std::int32_t>(draws.bounded(static_cast<std::uint32_t>(bound)));
  };
  std::vector<std::pair<std::int32_t, std::int32_t>> train;
  for (std::int32_t user = 0; user < n_users; ++user) {
    if (hub) train.emplace_back(user, 0);
    if (user % 7 == 3) continue;  // without items of their own
    for (std::int32_t i = 0; i < 5; ++i) train.emplace_back(user, below(n_items));
  }
  std::vector<Triple> triples;
  for (std::int32_t i = 0; i < 2 * n_entities; ++i) {
    triples.push_back({below(n_entities / 2), below(3), below(n_entities / 2)});
  }
  return make_dataset(make_interactions(train, n_users), make_interactions({}, n_users),
                      make_triples(std::move(triples)), n_items);
}

/// The largest |a - b| relative to max(1, |b|).
template <class A, class B>
double distance(const A& a, const B& b) {
  if (a.size() != b.size()) return INFINITY;
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    if (std::isnan(difference)) return INFINITY;
    worst = std::max(worst, difference / std::max(1.0, std::fabs(static_cast<double>(b[i]))));
  }
  return worst;
}

/// A folder that is removed with the object.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "kgat-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path write(const std::string& name, const std::string& content) const {
    std::ofstream(path_ / name, std::ios::binary) << content;
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};

/// The text of the trainhost::Error that `call` throws.
template <class Call>
std::string error_of(Call call) {
  try {
    call();
  } catch (const trainhost::Error& error) {
    CHECK(error.failure() == trainhost::Failure::kUser);
    return error.what();
  }
  return "no error";
}

}  // namespace kgat::testing
