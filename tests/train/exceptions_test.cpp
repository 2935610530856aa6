// Which exceptions say that memory ran out.
#include "host/train/exceptions.h"

#include <c10/util/Exception.h>

#include <catch2/catch.hpp>
#include <new>
#include <stdexcept>
#include <system_error>

namespace {

using trainhost::Failure;
using trainhost::train::as_error;

Failure failure(const std::exception& exception) { return as_error("x", exception).failure(); }

}  // namespace

TEST_CASE("no room for memory, a thread or a kernel is a failure of the device") {
  CHECK(failure(std::bad_alloc()) == Failure::kDevice);
  CHECK(failure(std::system_error(EAGAIN, std::generic_category())) == Failure::kDevice);
  CHECK(failure(std::system_error(ENOMEM, std::system_category())) == Failure::kDevice);
  CHECK(failure(std::runtime_error("could not create a primitive")) == Failure::kDevice);
}

TEST_CASE("what is no lack of memory loses the rank") {
  CHECK(failure(std::runtime_error("could not create a primitive descriptor")) ==
        Failure::kRankLost);
  CHECK(failure(std::system_error(EINVAL, std::generic_category())) == Failure::kRankLost);
  CHECK(failure(c10::Error({__func__, __FILE__, __LINE__}, "sizes do not match")) ==
        Failure::kRankLost);
}
