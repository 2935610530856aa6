// { "deepspeed", config = … }: the strategy that a DeepSpeed configuration asks for.
//
//   config = { stage = 2, offload_optimizer = true }
//   config = { zero_optimization = { stage = 3, offload_optimizer = { device = "cpu" },
//                                    offload_param = { device = "cpu" } } }
//
// Threads and ranks: a pure function, any thread.
#pragma once

#include <string>

#include "host/recipe/problems.h"
#include "trainhost/options.h"

namespace trainhost::recipe {

struct DeepSpeedChoice {
  std::string id = "zero2";
  bool offload_optimizer = false, offload_parameters = false;
};

/// Anything else in `config` is a mistake, and so is what no strategy here can do.
DeepSpeedChoice read_deepspeed(const Value& config, Problems& problems);

}  // namespace trainhost::recipe
