// The checkpoints of a run and its best model as folders: chosen, tidied, set aside, removed.
#include "host/checkpoint/run_checkpoints.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <set>

#include "host/checkpoint/best_folder.h"
#include "support.h"
#include "trainhost/error.h"
#include "trainhost/files.h"

namespace {

using namespace trainhost;
using namespace trainhost::checkpoint;
using namespace trainhost::testing;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;
using Names = std::set<std::string>;

Names names_in(const std::string& folder) {
  Names names;
  for (const auto& entry : fs::directory_iterator(folder)) names.insert(entry.path().filename());
  return names;
}

struct Run {
  Scratch scratch;
  std::string path = scratch / "run", folder = checkpoints_of(path);
  explicit Run(const std::vector<std::int64_t>& steps) {
    make_folder(folder);
    for (const std::int64_t step : steps) add(step);
  }
  void add(std::int64_t step) const {
    testing::save(folder + "/step-" + std::to_string(step), some_state(1), step);
  }
  void best(std::int64_t step) const {
    const std::string partial = begin_best(path);
    write(partial + "/model.safetensors", std::to_string(step));
    publish_best(path, "{\"global_step\": " + std::to_string(step) + "}");
  }
  std::string best_model(const std::string& name = "best") const {
    return read(path + "/" + name + "/model.safetensors");
  }
};

}  // namespace

TEST_CASE("the newest checkpoint is the one with the largest step") {
  const Run run({9, 10, 2});
  for (const char* name : {"step-x", "step-", "step-12x", "step--3", "other", "step-500.abandoned",
                           "step-99999999999999999999"}) {
    make_folder(run.folder + "/" + name);
  }
  CHECK(choose(run.path, "").path == run.folder + "/step-10");
  CHECK(choose(run.path, "step-9").manifest.position.total_steps() == 9);
  CHECK(choose(run.path, run.folder + "/step-2/").path.find("step-2") != std::string::npos);
  CHECK_THAT(refusal(Failure::kUser, [&] { choose(run.path, "step-3"); }),
             Contains("one of step-2, step-9, step-10"));
}

TEST_CASE("a run without checkpoints says so") {
  const Run run({});
  CHECK_THAT(refusal(Failure::kUser, [&] { choose(run.path, ""); }),
             Contains("no whole checkpoint to go on from"));
  CHECK_THAT(refusal(Failure::kUser, [&] { choose(run.path + "/not", ""); }),
             Contains("no whole checkpoint to go on from"));
}

TEST_CASE("the newest is refused, not passed over, where it is damaged") {
  const Run run({4, 8});
  SECTION("missing manifest") { fs::remove(run.folder + "/step-8/manifest.json"); }
  SECTION("missing shard") { fs::remove(run.folder + "/step-8/rank-0.safetensors"); }
  SECTION("cut shard") { fs::resize_file(run.folder + "/step-8/rank-0.safetensors", 9); }
  CHECK_THAT(refusal(Failure::kUser, [&] { choose(run.path, ""); }),
             Contains("step-8") && Contains("--checkpoint step-4"));
}

TEST_CASE("a checkpoint named by the user is verified in every byte") {
  const Run run({4, 8});
  flip(run.folder + "/step-4/rank-0.safetensors", -1);
  CHECK_THAT(refusal(Failure::kUser, [&] { choose(run.path, "step-4"); }),
             Contains("step-4/rank-0.safetensors") && Contains("--checkpoint step-8"));
}

TEST_CASE("the command that is offered can be pasted") {
  const Run run({4, 8});
  const std::string odd = run.scratch / "it's a run";
  fs::rename(run.path, odd);
  fs::remove(odd + "/checkpoints/step-8/manifest.json");
  CHECK_THAT(refusal(Failure::kUser, [&] { choose(odd, ""); }),
             Contains("trainhost resume '" + (run.scratch / "it'\\''s a run") + "' --checkpoint"));
}

TEST_CASE("tidying removes what killed saves left, and nothing else") {
  const Run run({4, 8});
  make_folder(run.folder + "/step-12.partial");
  write(run.folder + "/step-12.partial/rank-0.safetensors.partial", "x");
  fs::rename(run.folder + "/step-4", run.folder + "/step-4.replaced");
  fs::copy(run.folder + "/step-8", run.folder + "/step-8.replaced");
  make_folder(run.folder + "/mine");
  tidy(run.path);
  CHECK(names_in(run.folder) == Names{"step-4", "step-8", "mine"});
  CHECK_NOTHROW(verify(run.folder + "/step-4"));
  CHECK_NOTHROW(tidy(run.path + "/not/there"));
}

TEST_CASE("going back sets later checkpoints aside until the next one is written") {
  const Run run({4, 8, 12});
  CHECK_THAT(go_back_to(choose(run.path, "step-4"), run.path), Contains("step-8.abandoned"));
  CHECK(names_in(run.folder) == Names{"step-4", "step-8.abandoned", "step-12.abandoned"});
  CHECK(choose(run.path, "").path == run.folder + "/step-4");
  run.add(6);
  remove_old(run.folder, 2);
  CHECK(names_in(run.folder) == Names{"step-4", "step-6"});
  CHECK(go_back_to(choose(run.path, ""), run.path).empty());
}

TEST_CASE("only the newest checkpoints are kept") {
  const Run run({4, 8, 12, 100});
  remove_old(run.folder, 2);
  CHECK(names_in(run.folder) == Names{"step-12", "step-100"});
  remove_old(run.folder, 5);
  CHECK(names_in(run.folder) == Names{"step-12", "step-100"});
}

TEST_CASE("the best model of the last checkpoint stays until the next checkpoint") {
  const Run run({4});
  run.best(4);
  CHECK(names_in(run.path) == Names{"checkpoints", "best"});
  run.best(6);
  run.best(8);
  CHECK(run.best_model() == "8");
  CHECK(run.best_model("best.earlier") == "4");
  SECTION("a run that was killed goes back to it") {
    CHECK(settle_best(run.path, 4).empty());
    CHECK(run.best_model() == "4");
    CHECK(run.best_model("best.abandoned") == "8");
  }
  SECTION("a checkpoint makes the new one good") {
    forget_earlier_best(run.path);
    CHECK(settle_best(run.path, 8).empty());
    CHECK(run.best_model() == "8");
  }
  SECTION("one killed before it was tidied up finds it under its other name") {
    fs::rename(run.path + "/best.earlier", run.path + "/best.partial");
    CHECK(settle_best(run.path, 4).empty());
    CHECK(run.best_model() == "4");
  }
  SECTION("a checkpoint before any evaluation has no best model") {
    CHECK(settle_best(run.path, -1).empty());
    CHECK(!fs::exists(run.path + "/best"));
  }
  SECTION("a checkpoint whose best model is gone says so") {
    CHECK_THAT(settle_best(run.path, 2), Contains("best.abandoned"));
    CHECK(!fs::exists(run.path + "/best"));
    CHECK(run.best_model("best.abandoned") == "8");
  }
  CHECK(!fs::exists(run.path + "/best.partial"));
  CHECK(!fs::exists(run.path + "/best.earlier"));
  forget_earlier_best(run.path);
  CHECK(!fs::exists(run.path + "/best.abandoned"));
}

TEST_CASE("a best model that was not finished is not taken") {
  const Run run({4});
  run.best(4);
  write(begin_best(run.path) + "/model.safetensors", "half");
  CHECK(settle_best(run.path, 4).empty());
  CHECK(run.best_model() == "4");
  CHECK(names_in(run.path) == Names{"checkpoints", "best"});
}
