#define TRAINHOST_KERNELS avx2
#include "cpu/kernels_body.h"
