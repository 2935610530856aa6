#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "scenarios.h"
#include "threads.h"
#include "trainhost/error.h"

using Catch::Matchers::Contains;
using trainhost::Communicator;
using trainhost::Error;
using trainhost::ReduceOp;
using trainhost::Traffic;

TEST_CASE("ranks as threads: every operation gives the reference's bits") {
  const int world = GENERATE(1, 2, 3, 4);
  CAPTURE(world);
  Threads ranks(world);
  for (const std::string& error : ranks.run([](Communicator& group) {
         scenarios::check_operations(group, scenarios::kUsualSizes);
       })) {
    CHECK(error == "");
  }
}

TEST_CASE("ranks as threads: operations overlap and keep their order") {
  Threads ranks(3);
  for (const std::string& error :
       ranks.run([](Communicator& group) { scenarios::check_asynchronous(group); })) {
    CHECK(error == "");
  }
}

TEST_CASE("two groups of one process do not disturb each other") {
  Threads first(2), second(2);
  std::thread other([&] {
    const auto errors =
        second.run([](Communicator& group) { scenarios::check_asynchronous(group); });
    for (const std::string& error : errors) CHECK(error == "");
  });
  const auto errors = first.run([](Communicator& group) { scenarios::check_asynchronous(group); });
  other.join();
  for (const std::string& error : errors) CHECK(error == "");
}

TEST_CASE("the abort signal ends threads in the middle of their work") {
  Threads ranks(3);
  const auto errors = ranks.run([&](Communicator& group) {
    if (group.rank() == 1) ranks.abort().raise(1);
    throw std::runtime_error(scenarios::reduce_until_it_fails(group));
  });
  for (const std::string& error : errors) CHECK_THAT(error, Contains("rank 1 was lost"));
}

TEST_CASE("abort() of one end ends the operations of all, now and later") {
  Threads ranks(2);
  const auto errors = ranks.run([&](Communicator& group) {
    if (group.rank() == 1) {
      ranks.group(0).abort("no more");
      ranks.group(1).abort("no more");
    }
    throw std::runtime_error(scenarios::reduce_until_it_fails(group));
  });
  for (const std::string& error : errors) CHECK_THAT(error, Contains("no more"));
  CHECK_THROWS_AS(ranks.group(0).barrier(Traffic::kHost), Error);
}

TEST_CASE("a rank that aborts alone takes the others along") {
  Threads ranks(2);
  const auto errors = ranks.run([&](Communicator& group) {
    if (group.rank() == 1) return group.abort("out of data");
    group.barrier(Traffic::kHost);
  });
  CHECK_THAT(errors[0], Contains("rank 1 gave up: aborted: out of data"));
}

TEST_CASE("a rank whose end is gone is missed at once") {
  Threads ranks(2);
  ranks.destroy(1);
  CHECK_THROWS_WITH(ranks.group(0).barrier(Traffic::kHost), Contains("rank 1 has closed"));
}

TEST_CASE("a communicator may be destroyed with work under way; its handles then fail") {
  Threads ranks(2);
  const at::Tensor data = at::zeros({1 << 20}, at::kFloat);
  std::vector<trainhost::WorkHandle> works;
  for (int i = 0; i < 3; ++i) {
    works.push_back(ranks.group(0).all_reduce(data, ReduceOp::kSum, Traffic::kStrategy));
  }
  ranks.destroy(0);
  for (const trainhost::WorkHandle& work : works) CHECK_THROWS_AS(work->wait(), Error);
}

TEST_CASE("an error of an asynchronous operation comes out of wait, and of what follows") {
  Threads ranks(2, 0.1);
  const at::Tensor data = at::zeros({1 << 20}, at::kFloat);
  auto work = ranks.group(0).all_reduce(data, ReduceOp::kSum, Traffic::kStrategy);
  CHECK_THROWS_WITH(work->wait(), Contains("rank 1 did not come within 0.1 s"));
  CHECK_THROWS_WITH(ranks.group(0).barrier(Traffic::kHost), Contains("rank 1 did not come"));
}

TEST_CASE("ranks that differ in the type, the count, the root or the tag are told so") {
  const auto issue = GENERATE(
      +[](Communicator& group) {
        wait(group.all_reduce(at::zeros({10}, group.rank() == 0 ? at::kFloat : at::kDouble),
                              ReduceOp::kSum, Traffic::kModel));
      },
      +[](Communicator& group) {
        wait(group.all_reduce(at::zeros({10 + group.rank()}, at::kFloat), ReduceOp::kSum,
                              Traffic::kModel));
      },
      +[](Communicator& group) {
        wait(group.broadcast(at::zeros({10}, at::kFloat), group.rank(), Traffic::kModel));
      },
      +[](Communicator& group) {
        wait(group.all_reduce(at::zeros({1 << 20}, at::kFloat), ReduceOp::kSum,
                              group.rank() == 0 ? Traffic::kModel : Traffic::kStrategy));
      },
      +[](Communicator& group) {
        const std::vector<std::int64_t> counts =
            group.rank() == 0 ? std::vector<std::int64_t>{4, 6} : std::vector<std::int64_t>{6, 4};
        wait(group.reduce_scatter(at::zeros({group.rank() == 0 ? 4 : 4}, at::kFloat),
                                  at::zeros({10}, at::kFloat), counts, ReduceOp::kSum,
                                  Traffic::kModel));
      },
      +[](Communicator& group) { group.allocate(1000 * (1 + group.rank())); });
  Threads ranks(2);
  for (const std::string& error : ranks.run(issue)) {
    CHECK_THAT(error, Contains("different operations"));
  }
}

TEST_CASE("all_to_all notices that a sender and a receiver disagree") {
  Threads ranks(2);
  const auto errors = ranks.run([](Communicator& group) {
    const std::vector<std::int64_t> sent = {1, 2}, received = {1, 2};
    wait(group.all_to_all(at::zeros({3}), at::zeros({3}), received, sent, Traffic::kModel));
  });
  CHECK_THAT(errors[0] + errors[1], Contains("the ranks disagree on what is sent"));
}

TEST_CASE("wrong arguments are refused before anything is sent") {
  Threads ranks(2);
  Communicator& group = ranks.group(0);
  const at::Tensor ten = at::zeros({10}, at::kFloat);
  const std::vector<std::int64_t> halves = {5, 5};
  const auto all_reduce = [&](const at::Tensor& data) {
    wait(group.all_reduce(data, ReduceOp::kSum, Traffic::kStrategy));
  };
  CHECK_THROWS_WITH(all_reduce({}), Contains("undefined"));
  CHECK_THROWS_WITH(all_reduce(at::zeros({4, 4}).t()), Contains("not contiguous"));
  CHECK_THROWS_WITH(all_reduce(at::zeros({4}, at::kInt)), Contains("not supported"));
  CHECK_THROWS_WITH(all_reduce(at::empty({4}, at::TensorOptions(at::kMeta))),
                    Contains("another device"));
  CHECK_THROWS_WITH(group.broadcast(ten, 2, Traffic::kHost), Contains("no such root"));
  CHECK_THROWS_WITH(group.reduce(ten, -1, ReduceOp::kSum, Traffic::kHost),
                    Contains("no such root"));
  CHECK_THROWS_WITH(group.all_gather(ten, at::zeros({4}), halves, Traffic::kHost),
                    Contains("5 elements"));
  CHECK_THROWS_WITH(group.all_gather(ten, at::zeros({5}), {{5}}, Traffic::kHost),
                    Contains("one count for each rank"));
  CHECK_THROWS_WITH(group.reduce_scatter(at::zeros({5}, at::kDouble), ten, halves, ReduceOp::kSum,
                                         Traffic::kHost),
                    Contains("differ in type"));
  CHECK_THROWS_WITH(
      group.all_gather(ten, at::zeros({5}), std::vector<std::int64_t>{12, -2}, Traffic::kHost),
      Contains("negative"));
  CHECK_THROWS_WITH(group.allocate(-1), Contains("size is wrong"));
}

TEST_CASE("memory that cannot be had is an error on all ranks, not a signal") {
  Threads ranks(2);
  const auto errors = ranks.run([](Communicator& group) { group.allocate(std::int64_t{1} << 46); });
  CHECK_THAT(errors[0] + errors[1], Contains("not enough memory for a shared buffer"));
  CHECK(errors[0] != "");
  CHECK(errors[1] != "");
}

TEST_CASE("a buffer is zeroed, aligned, and of bytes") {
  const int world = GENERATE(1, 2);
  Threads ranks(world);
  const auto errors = ranks.run([](Communicator& group) {
    const at::Tensor buffer = group.allocate(100'001);
    const bool aligned = reinterpret_cast<std::uintptr_t>(buffer.const_data_ptr()) % 64 == 0;
    if (!aligned || buffer.numel() != 100'001 || buffer.scalar_type() != at::kByte ||
        buffer.any().item<bool>() || group.allocate(0).numel() != 0) {
      throw std::runtime_error("wrong buffer");
    }
  });
  for (const std::string& error : errors) CHECK(error == "");
}

TEST_CASE("sums are in rank order") {
  Threads ranks(2);
  CHECK(ranks.group(0).sums_in_rank_order());
}
