#include "shared_memory/memory.h"

#include <catch2/catch.hpp>
#include <vector>

#include "shared_memory/mapping.h"
#include "trainhost/error.h"

TEST_CASE("the machine has memory, and some of it is free") {
  const shared_memory::MachineMemory machine = shared_memory::machine_memory();
  CHECK(machine.total > 0);
  CHECK(machine.free > 0);
  CHECK(machine.free <= machine.total);
}

TEST_CASE("the peak of the process follows what it touches, and can be reset") {
  shared_memory::reset_process_peak();
  const shared_memory::ProcessMemory before = shared_memory::process_memory();
  constexpr std::int64_t kBytes = 64 << 20;
  { const auto pages = shared_memory::Mapping::anonymous(kBytes); }
  const shared_memory::ProcessMemory after = shared_memory::process_memory();
  CHECK(before.resident > 0);
  CHECK(after.peak_resident >= before.resident + kBytes / 2);
  shared_memory::reset_process_peak();
  CHECK(shared_memory::process_memory().peak_resident < after.peak_resident);
}

TEST_CASE("a memory file larger than the machine is refused") {
  CHECK_THROWS_AS(shared_memory::make_memory_file(std::size_t{1} << 46), trainhost::Error);
}

TEST_CASE("the file of a process that is gone cannot be opened") {
  CHECK_THROWS_WITH(shared_memory::open_file_of(0x7ffffff0, 3),
                    Catch::Contains("shared memory of another"));
}
