#define TRAINHOST_KERNELS avx512
#include "shared_memory/kernels_body.h"
