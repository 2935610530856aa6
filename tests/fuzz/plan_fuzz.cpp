// plan.json, and the values in it: host/recipe/plan.h and value_json.h.
#include "fuzz.h"
#include "host/recipe/plan.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace fuzz = trainhost::fuzz;
  using trainhost::recipe::plan_from_json, trainhost::recipe::plan_to_json;
  fuzz::accepts([&] {
    const std::string once = plan_to_json(plan_from_json(fuzz::text_of(data, size), "plan.json"));
    fuzz::promise(once == plan_to_json(plan_from_json(once, "plan.json")),
                  "plan_from_json is the inverse of plan_to_json");
  });
  return 0;
}
