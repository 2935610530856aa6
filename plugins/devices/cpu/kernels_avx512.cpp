#define TRAINHOST_KERNELS avx512
#include "cpu/kernels_body.h"
