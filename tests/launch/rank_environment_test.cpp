#include "host/launch/rank_environment.h"

#include <catch2/catch.hpp>

#include "host/launch/foreign.h"
#include "trainhost/error.h"

using namespace trainhost;
using launch::Environment;
using launch::RankEnvironment;

namespace {

RankEnvironment example() {
  RankEnvironment out;
  out.rank = 3;
  out.world = 4;
  out.local_rank = 1;
  out.local_world = 2;
  out.master_address = "node7";
  out.master_port = 29500;
  out.plan_file = "/runs/a/plan.json";
  out.run_directory = "/runs/a";
  out.resume = "/runs/a/checkpoints/step-3";
  out.device_indices = {1, 5};
  out.events_fd = 7;
  out.control_fd = 8;
  out.control_slot = 1;
  out.parent = 77;
  return out;
}

std::string refusal(const std::string& name, const std::string& value) {
  Environment environment = example().to_environment();
  environment[name] = value;
  try {
    RankEnvironment::from(environment);
  } catch (const Error& error) {
    CHECK(error.failure() == Failure::kUser);
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a rank reads what its parent wrote") {
  const RankEnvironment sent = example();
  const RankEnvironment read = RankEnvironment::from(sent.to_environment());
  CHECK(read.to_environment() == sent.to_environment());
  CHECK(read.device_indices == std::vector<int>{1, 5});
  CHECK(read.listen_fd == -1);
}

TEST_CASE("a rank refuses an environment that does not fit, naming the variable") {
  CHECK_THAT(refusal("RANK", "4"), Catch::Contains("RANK does not fit"));
  CHECK_THAT(refusal("RANK", "-1"), Catch::Contains("from 0 to 3"));
  CHECK_THAT(refusal("RANK", "1x"), Catch::Contains("'1x'"));
  CHECK_THAT(refusal("WORLD_SIZE", ""), Catch::Contains("WORLD_SIZE"));
  CHECK_THAT(refusal("WORLD_SIZE", "99999999999999999999"), Catch::Contains("WORLD_SIZE"));
  CHECK_THAT(refusal("MASTER_PORT", "0"), Catch::Contains("MASTER_PORT"));
  CHECK_THAT(refusal("MASTER_ADDR", ""), Catch::Contains("MASTER_ADDR"));
  CHECK_THAT(refusal("LOCAL_WORLD_SIZE", "5"), Catch::Contains("LOCAL_WORLD_SIZE"));
  CHECK_THAT(refusal("TRAINHOST_PLAN", ""), Catch::Contains("run `trainhost RECIPE` instead"));
  CHECK_THAT(refusal("TRAINHOST_DEVICE_INDEX", "1,,2"), Catch::Contains("TRAINHOST_DEVICE_INDEX"));
  CHECK_THAT(refusal("TRAINHOST_EVENTS_FD", ""), Catch::Contains("TRAINHOST_EVENTS_FD"));
}

TEST_CASE("launchers are known by their variables") {
  struct Case {
    Environment environment;
    std::string launcher;
    int rank, world, local_rank;
    std::string address;
  };
  const std::vector<Case> cases = {
      {{{"RANK", "5"},
        {"WORLD_SIZE", "8"},
        {"LOCAL_RANK", "1"},
        {"LOCAL_WORLD_SIZE", "4"},
        {"MASTER_ADDR", "head"},
        {"MASTER_PORT", "29400"}},
       "torchrun",
       5,
       8,
       1,
       "head"},
      // Kubernetes' PyTorchJob: no local ranks
      {{{"RANK", "1"},
        {"WORLD_SIZE", "2"},
        {"MASTER_ADDR", "job-master-0"},
        {"MASTER_PORT", "23456"}},
       "torchrun",
       1,
       2,
       0,
       "job-master-0"},
      {{{"SLURM_PROCID", "2"},
        {"SLURM_STEP_ID", "0"},
        {"SLURM_STEP_NUM_TASKS", "4"},
        {"SLURM_LOCALID", "0"},
        {"SLURM_STEP_NODELIST", "gpu[03-04]"},
        {"SLURM_JOB_ID", "77"}},
       "Slurm",
       2,
       4,
       0,
       "gpu03"},
      {{{"OMPI_COMM_WORLD_RANK", "1"},
        {"OMPI_COMM_WORLD_SIZE", "2"},
        {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
        {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}},
       "Open MPI",
       1,
       2,
       1,
       "127.0.0.1"},
      {{{"PMI_RANK", "0"}, {"PMI_SIZE", "2"}, {"MASTER_ADDR", "a"}}, "PMI", 0, 2, 0, "a"},
  };
  for (const Case& each : cases) {
    INFO(each.launcher);
    const auto found = launch::find_foreign_placement(each.environment);
    REQUIRE(found);
    CHECK(found->launcher == each.launcher);
    CHECK(found->rank == each.rank);
    CHECK(found->world == each.world);
    CHECK(found->local_rank == each.local_rank);
    CHECK(found->master_address == each.address);
    CHECK(found->master_port > 0);
    CHECK_FALSE(found->agent_store);
  }
}

TEST_CASE("torchrun's agent may host the store") {
  const auto found = launch::find_foreign_placement({{"RANK", "0"},
                                                     {"WORLD_SIZE", "2"},
                                                     {"LOCAL_RANK", "0"},
                                                     {"MASTER_ADDR", "head"},
                                                     {"MASTER_PORT", "29400"},
                                                     {"TORCHELASTIC_USE_AGENT_STORE", "True"}});
  REQUIRE(found);
  CHECK(found->agent_store);
}

TEST_CASE("all ranks of a job agree on the port") {
  const Environment first = {{"SLURM_PROCID", "0"},
                             {"SLURM_STEP_ID", "1"},
                             {"SLURM_NTASKS", "2"},
                             {"SLURM_NODELIST", "a,b"},
                             {"SLURM_JOB_ID", "5"}};
  Environment second = first;
  second["SLURM_PROCID"] = "1";
  CHECK(launch::find_foreign_placement(first)->master_port ==
        launch::find_foreign_placement(second)->master_port);
}

TEST_CASE("nobody placed a process without a launcher's variables") {
  CHECK_FALSE(launch::find_foreign_placement({}));
  // A batch script has the job's variables, but is no step of it.
  CHECK_FALSE(launch::find_foreign_placement({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "4"}}));
}

TEST_CASE("a launcher's variables that do not fit are named") {
  CHECK_THROWS_WITH(launch::find_foreign_placement({{"RANK", "2"}, {"WORLD_SIZE", "2"}}),
                    Catch::Contains("RANK does not fit"));
  CHECK_THROWS_WITH(launch::find_foreign_placement({{"RANK", "1"}, {"WORLD_SIZE", "2"}}),
                    Catch::Contains("MASTER_ADDR"));
  CHECK_THROWS_WITH(launch::find_foreign_placement({{"OMPI_COMM_WORLD_RANK", "0"},
                                                    {"OMPI_COMM_WORLD_SIZE", "4"},
                                                    {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}}),
                    Catch::Contains("which machine rank 0 runs"));
}

TEST_CASE("the first host of a Slurm list") {
  CHECK(launch::first_slurm_host("gpu[03-07,9],x1") == "gpu03");
  CHECK(launch::first_slurm_host("gpu[9,11]-ib") == "gpu9-ib");
  CHECK(launch::first_slurm_host("a1,b[2-3]") == "a1");
  CHECK(launch::first_slurm_host("single") == "single");
  CHECK(launch::first_slurm_host("broken[").empty());
}
