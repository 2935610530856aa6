#include "host/train/process_setup.h"

#include <ATen/ops/tanh.h>
#include <ATen/ops/zeros.h>

namespace trainhost::train {

void settle_vector_math() { at::tanh(at::zeros({16}, at::kFloat)); }

}  // namespace trainhost::train
