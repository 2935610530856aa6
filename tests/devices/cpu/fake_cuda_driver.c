/* A stand-in for libcuda.so.1: what it pretends is said by FAKE_CUDA = "init result, GPUs,
 * version". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

static int setting(int index) {
  int values[3] = {0, 0, 13000};
  const char* text = getenv("FAKE_CUDA");
  if (text != NULL) sscanf(text, "%d,%d,%d", &values[0], &values[1], &values[2]);
  return values[index];
}

EXPORT int cuInit(unsigned flags) { return flags == 0 ? setting(0) : 1; }
EXPORT int cuDriverGetVersion(int* version) { return *version = setting(2), 0; }
EXPORT int cuDeviceGetCount(int* count) { return *count = setting(1), 0; }
EXPORT int cuDeviceGet(int* device, int index) { return *device = index + 40, 0; }
EXPORT int cuGetErrorName(int error, const char** name) {
  *name = error == 999 ? "CUDA_ERROR_UNKNOWN" : NULL;
  return 0;
}
EXPORT int cuDeviceGetName(char* name, int size, int device) {
  return snprintf(name, (size_t)size, "Fake \"T%d\"", device) > 0 ? 0 : 1;
}
EXPORT int cuDeviceTotalMem_v2(size_t* bytes, int device) {
  return *bytes = (size_t)device << 30, 0;
}
