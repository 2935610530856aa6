// The manifest: what is written is read back; nothing else is accepted.
#include "host/checkpoint/manifest.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "trainhost/crc32.h"
#include "trainhost/error.h"

namespace {

using namespace trainhost;
using namespace trainhost::checkpoint;
using Catch::Matchers::Contains;

constexpr const char* kSeal = ",\n \"crc32\": ";

Manifest some_manifest() {
  Position position;
  position.epoch = 4;
  position.objective = 1;
  position.step = 7;
  position.global_steps = {40, 47};
  position.effective_batches = {8, 16};
  position.has_best = true;
  position.best = 0.1 + 0.2;
  position.best_epoch = 3;
  position.best_step = 80;
  position.evaluated_step = 80;
  position.evaluations_without_better = 2;
  position.best_metrics = {{"recall@20", 0.1 + 0.2}, {"ndcg@20", 1e-300}};
  return {position,
          {"kgat", "ddp", 2, -42},
          {{"f", 1, 2}, {"g", 0, 4294967295}},
          {{"x", {2, 3}, "Float", "f", "x@0", 0, 4},
           {"x", {2, 3}, "Float", "g", "x@4", 4, 2},
           {"scalar", {}, "Long", "f", "scalar@0", 0, 1}}};
}

/// Ends `text` with the right CRC, as a hostile writer would.
std::string sealed(const std::string& text) {
  const std::string body = text.substr(0, text.rfind(kSeal));
  return body + kSeal + std::to_string(crc32_of(body.data(), std::ssize(body))) + "\n}\n";
}

std::string with(const std::string& from, const std::string& to) {
  std::string text = to_json(some_manifest());
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  return sealed(text.replace(at, from.size(), to));
}

std::string refusal(const std::string& text) {
  try {
    manifest_from_json(text, "step-4/manifest.json");
  } catch (const Error& error) {
    CHECK(error.failure() == Failure::kUser);
    CHECK_THAT(error.what(), Contains("step-4/manifest.json"));
    return error.what();
  }
  FAIL("it was accepted");
  return "";
}

}  // namespace

TEST_CASE("a manifest comes back as it was") {
  const Manifest wrote = some_manifest();
  const std::string text = to_json(wrote);
  const Manifest got = manifest_from_json(text, "m.json");
  CHECK(to_json(got) == text);
  CHECK(got.position.best == wrote.position.best);
  CHECK(got.position.best_metrics == wrote.position.best_metrics);
  CHECK(got.position.total_steps() == 87);
  CHECK(got.identity.seed == -42);
  CHECK(got.pieces.size() == 3);
}

TEST_CASE("what a diverged run measured comes back too") {
  Manifest wrote = some_manifest();
  wrote.position.best = std::numeric_limits<double>::infinity();
  wrote.position.last_metrics = {{"loss", std::nan("")},
                                 {"low", -std::numeric_limits<double>::infinity()}};
  const Position got = manifest_from_json(to_json(wrote), "m.json").position;
  CHECK(got.best == wrote.position.best);
  CHECK(std::isnan(got.last_metrics.at("loss")));
  CHECK(got.last_metrics.at("low") < 0);
}

TEST_CASE("no bit of a manifest can flip unnoticed") {
  const std::string good = to_json(some_manifest());
  int accepted = 0;
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ (1 << bit));
      try {
        manifest_from_json(bad, "m.json");
        ++accepted;
      } catch (const Error&) {
      }
    }
  }
  CHECK(accepted == 0);
}

TEST_CASE("a manifest that was cut or is none at all is refused") {
  const std::string good = to_json(some_manifest());
  for (std::size_t size = 0; size < good.size(); ++size) refusal(good.substr(0, size));
  for (const char* text : {"", "[1]", "null", "{}", "hello"}) {
    refusal(text);
    refusal(sealed(text));
  }
  refusal(sealed(std::string(100000, '[')));
  refusal(good + " ");
}

TEST_CASE("a hostile manifest with the right checksum is refused with the reason") {
  struct Case {
    const char *from, *to, *reason;
  };
  const auto [from, to, reason] = GENERATE(
      Case{"\"format\": 2", "\"format\": 9", "version"},
      Case{"\"epoch\": 4", "\"epoch\": -1", "cannot be"},
      Case{"\"epoch\": 4", "\"epoch\": 4.5", "no whole number"},
      Case{"\"epoch\": 4", "\"epoch\": 18446744073709551615", "cannot be"},
      Case{"\"world\": 2", "\"world\": 0", "cannot be"},
      Case{"\"name\": \"f\"", "\"name\": \"../f\"", "no plain name"},
      Case{"\"name\": \"f\"", "\"name\": \"/etc/passwd\"", "no plain name"},
      Case{"\"name\": \"f\"", "\"name\": \".\"", "no plain name"},
      Case{"\"name\": \"f\"", "\"name\": \"f\\u0000\"", "no plain name"},
      Case{"\"name\": \"f\"", "\"name\": \"g\"", "listed twice"},
      Case{"\"file\": \"g\"", "\"file\": \"h\"", "not listed"},
      Case{"\"bytes\": 1", "\"bytes\": \"x\"", "no whole number"},
      Case{"\"bytes\": 1", "\"bytes\": -1", "cannot be"},
      Case{"4294967295", "4294967296", "cannot be"},
      Case{"\"offset\": 4", "\"offset\": 3", "overlap"},
      Case{"\"offset\": 4", "\"offset\": 0", "overlap"},
      Case{"\"offset\": 4", "\"offset\": 5", "missing before"},
      Case{"\"offset\": 4", "\"offset\": -4", "cannot be"},
      Case{"\"count\": 2", "\"count\": 1", "missing after"},
      Case{"\"count\": 2", "\"count\": 3", "wrong size"},
      Case{"\"count\": 2", "\"count\": 0", "wrong size"},
      Case{"\"count\": 2", "\"count\": 9223372036854775807", "wrong size"},
      Case{"\"name\": \"scalar\"", "\"name\": \"x\"", "another shape or type"},
      Case{"\"shape\": [],", "\"shape\": [4611686018427387904,4],", "a shape that cannot be"},
      Case{"\"shape\": [],", "\"shape\": [-1],", "cannot be"},
      Case{"\"shape\": [],", "\"shape\": \"x\",", "no list"},
      Case{"\"best\": 0.30000000000000004", "\"best\": \"many\"", "a text"},
      Case{"\"best\": 0.30000000000000004", "\"best\": null", "a text"},
      Case{"\"step\": 7", "\"stop\": 7", "step"});
  INFO(from << " → " << to);
  CHECK_THAT(refusal(with(from, to)), Contains(reason));
}
