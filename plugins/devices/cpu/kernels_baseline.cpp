#define TRAINHOST_KERNELS baseline
#include "cpu/kernels_body.h"
