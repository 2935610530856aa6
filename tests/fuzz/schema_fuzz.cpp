// The option schema of a plugin: host/recipe/schema.h.
#include "fuzz.h"
#include "host/recipe/schema.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trainhost::recipe;  // NOLINT(google-build-using-namespace): one function
  trainhost::fuzz::accepts([&] {
    const Schema schema = schema_from_json(trainhost::fuzz::text_of(data, size), "plugin 'x'");
    trainhost::Value empty;
    empty.data = trainhost::Table{};
    Problems problems;
    const trainhost::Value filled = check_table(empty, schema, "model", problems);
    if (!problems.empty()) return;
    // What a schema fills in by itself, it accepts.
    check_table(filled, schema, "model", problems);
    trainhost::fuzz::promise(problems.empty(), "defaults pass their own checks");
  });
  return 0;
}
