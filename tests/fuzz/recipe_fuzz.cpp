// The source of a recipe: the sandbox that runs it, and the lines of its keys
// (host/recipe/sandbox.h, positions.h). Limits are tight, so that a loop costs little.
#include "fuzz.h"
#include "host/recipe/positions.h"
#include "host/recipe/sandbox.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trainhost::recipe;  // NOLINT(google-build-using-namespace): one function
  const std::string source(trainhost::fuzz::text_of(data, size));
  trainhost::fuzz::accepts([&] {
    Sandbox sandbox({.memory = 4u << 20, .instructions = 20'000, .seconds = 1.0});
    sandbox.run(source, "r.lua", {"scaling.lr"});
    if (sandbox.has_function("scaling.lr")) sandbox.call("scaling.lr", 1.0, {});
    const Places places = Places::of(source);
    const int line = Places::entry(Places::entry(places.root(), "train"), "[1]").line;
    trainhost::fuzz::promise(line >= 0, "a place has a line");
  });
  return 0;
}
