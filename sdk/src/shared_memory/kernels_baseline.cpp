#define TRAINHOST_KERNELS baseline
#include "shared_memory/kernels_body.h"
