// A line that a rank sends to its parent: host/telemetry/event.h.
#include "fuzz.h"
#include "host/telemetry/event.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace fuzz = trainhost::fuzz;
  using trainhost::telemetry::from_line, trainhost::telemetry::to_line;
  fuzz::accepts([&] {
    const std::string once = to_line(from_line(fuzz::text_of(data, size)));
    fuzz::promise(once.find('\n') == std::string::npos, "an event is one line");
    fuzz::promise(once == to_line(from_line(once)), "from_line is the inverse of to_line");
  });
  return 0;
}
