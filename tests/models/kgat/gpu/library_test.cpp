#include "gpu/library.h"

#include <dlfcn.h>

#include "support.h"

namespace {

using namespace kgat;
using namespace kgat::testing;

TEST_CASE("gpu: without a library there is a reason and no table") {
  const TemporaryFolder folder;
  const gpu::Library none = gpu::open_library((folder.path() / "kgat_cuda.so").string());
  CHECK(none.table == nullptr);
  CHECK_THAT(none.why_not, Catch::Contains("there is no") && Catch::Contains("nvcc"));
  const gpu::Library text = gpu::open_library(folder.write("kgat_cuda.so", "text").string());
  CHECK(text.table == nullptr);
  CHECK(!text.why_not.empty());
}

TEST_CASE("gpu: a shared object of something else is refused") {
  const gpu::Library other = gpu::open_library("/lib/x86_64-linux-gnu/libm.so.6");
  CHECK(other.table == nullptr);
  CHECK_THAT(other.why_not, Catch::Contains("holds no kernels"));
}

#ifdef KGAT_CUDA_LIBRARY
TEST_CASE("gpu: the library of this build is taken, without a GPU too") {
  // A run has it loaded already, with the rest of LibTorch's CUDA half.
  if (::dlopen(KGAT_C10_CUDA, RTLD_NOW | RTLD_LOCAL) == nullptr) {
    WARN("skipped: LibTorch's libc10_cuda.so does not load here: " << ::dlerror());
    return;
  }
  const gpu::Library library = gpu::open_library(KGAT_CUDA_LIBRARY);
  INFO(library.why_not);
  REQUIRE(library.table != nullptr);
  CHECK(library.table->rank_users != nullptr);
}
#endif

}  // namespace
