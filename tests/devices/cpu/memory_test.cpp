#include "cpu/memory.h"

#include <catch2/catch.hpp>
#include <vector>

#include "cpu/mapping.h"
#include "trainhost/error.h"

TEST_CASE("the machine has memory, and some of it is free") {
  const cpu::MachineMemory machine = cpu::machine_memory();
  CHECK(machine.total > 0);
  CHECK(machine.free > 0);
  CHECK(machine.free <= machine.total);
}

TEST_CASE("the peak of the process follows what it touches, and can be reset") {
  cpu::reset_process_peak();
  const cpu::ProcessMemory before = cpu::process_memory();
  constexpr std::int64_t kBytes = 64 << 20;
  { const auto pages = cpu::Mapping::anonymous(kBytes); }
  const cpu::ProcessMemory after = cpu::process_memory();
  CHECK(before.resident > 0);
  CHECK(after.peak_resident >= before.resident + kBytes / 2);
  cpu::reset_process_peak();
  CHECK(cpu::process_memory().peak_resident < after.peak_resident);
}

TEST_CASE("a memory file larger than the machine is refused") {
  CHECK_THROWS_AS(cpu::make_memory_file(std::size_t{1} << 46), trainhost::Error);
}

TEST_CASE("the file of a process that is gone cannot be opened") {
  CHECK_THROWS_WITH(cpu::open_file_of(0x7ffffff0, 3), Catch::Contains("shared memory of another"));
}
