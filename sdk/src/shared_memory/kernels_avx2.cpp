#define TRAINHOST_KERNELS avx2
#include "shared_memory/kernels_body.h"
