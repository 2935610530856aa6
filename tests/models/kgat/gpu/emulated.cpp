#include "emulated.h"

#include "gpu/table.h"

namespace kgat::testing {
namespace {

template <auto launch>
struct OnCpu;
template <class Work, const char* (*launch)(const Work&, gpu::Stream)>
struct OnCpu<launch> {
  static const char* call(const Work& work, int) { return launch(work, nullptr); }
};

}  // namespace

const gpu::Table& emulated_table() {
  static const gpu::Table table = gpu::make_table<OnCpu>();
  return table;
}

}  // namespace kgat::testing
