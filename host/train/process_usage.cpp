#include "host/train/process_usage.h"

#include <malloc.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace trainhost::train {
namespace {

std::int64_t entries_of(const char* folder) {
  std::error_code ignored;
  const std::filesystem::directory_iterator begin(folder, ignored), end;
  return std::distance(begin, end);
}

std::int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::int64_t total = 0, resident = 0;
  file >> total >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

/// Those with a name: the heaps and stacks of threads come and go as malloc sees fit.
std::int64_t named_mappings() {
  std::ifstream file("/proc/self/maps");
  std::int64_t count = 0;
  for (std::string line; std::getline(file, line);) {
    count += line.find('/') != std::string::npos ? 1 : 0;
  }
  return count;
}

}  // namespace

ProcessUsage ProcessUsage::now() {
  return {.heap = static_cast<std::int64_t>(::mallinfo2().uordblks),
          .resident = resident_bytes(),
          .mappings = named_mappings(),
          .descriptors = entries_of("/proc/self/fd"),
          .threads = entries_of("/proc/self/task")};
}

}  // namespace trainhost::train
