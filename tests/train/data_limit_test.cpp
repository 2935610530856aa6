// A model whose parameters and optimizer states do not fit under a limit of private memory
// (RLIMIT_DATA, `prlimit --data`) trains with zero3 and offload, whose files are shared mappings.
#include <sys/resource.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "trainhost_process.h"

namespace {

using namespace trainhost::testing;
using Catch::Matchers::Contains;

// 19 million parameters in 24 layers: 72 MiB, and twice as much for Adam's states.
constexpr const char* kRecipe = R"(
return {
  name = "deep",
  model = { "transformer", rows = 8, held_out = 4, width = 256, feed_forward = 1024, layers = 24 },
  devices = { "cpu", count = 2 },
  strategy = "ddp",
  optimizer = { "adam", lr = 1e-3 },
  train = { epochs = 1, batch = 2, seed = 5, checkpoint_every = 0 },
}
)";
constexpr const char* kOffloaded =
    "strategy={\"zero3\",offload_optimizer=true,offload_parameters=true}";
// What a rank needs without any model, and 64 MiB.
constexpr rlim_t kLimit = rlim_t{200} << 20;

/// For what is started while it lives.
class DataLimit {
 public:
  explicit DataLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_DATA, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_DATA, &limit);
  }
  ~DataLimit() { ::setrlimit(RLIMIT_DATA, &before_); }
  DataLimit(const DataLimit&) = delete;
  DataLimit& operator=(const DataLimit&) = delete;

 private:
  rlimit before_{};
};

struct Bench {
  TemporaryFolder folder;
  Bench() { std::ofstream(folder / "deep.lua") << kRecipe; }

  Ended run(const std::string& name, const std::string& strategy) const {
    return trainhost::testing::run({"deep.lua", "--run-dir", folder / name, strategy},
                                   folder.path());
  }
};

}  // namespace

TEST_CASE("what ddp cannot hold in private memory, zero3 with offload trains") {
  const Bench bench;
  REQUIRE(bench.run("free", "strategy=ddp").code == 0);
  const DataLimit limit(kLimit);
  const Ended replicated = bench.run("ddp", "strategy=ddp");
  INFO(replicated.output);
  CHECK(replicated.code == 4);
  CHECK_THAT(replicated.output, Contains("memory"));
  const Ended offloaded = bench.run("zero3", kOffloaded);
  INFO(offloaded.output);
  REQUIRE(offloaded.code == 0);
  const auto expected = losses(bench.folder / "free"), got = losses(bench.folder / "zero3");
  REQUIRE(got.size() == expected.size());
  for (const auto& [step, loss] : expected) CHECK(got.at(step) == Approx(loss).epsilon(1e-5));
}
