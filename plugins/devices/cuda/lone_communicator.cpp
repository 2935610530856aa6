#include "cuda/lone_communicator.h"

#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

namespace cuda {
namespace {

using trainhost::ReduceOp;
using trainhost::Traffic;
using trainhost::WorkHandle;

WorkHandle copy(const at::Tensor& output, const at::Tensor& input) {
  const c10::NoGradGuard no_grad;
  if (output.const_data_ptr() != input.const_data_ptr()) {
    output.detach().view(-1).copy_(input.detach().view(-1));
  }
  return nullptr;
}

}  // namespace

at::Tensor LoneCommunicator::allocate(std::int64_t bytes) {
  return at::zeros({bytes}, at::TensorOptions(at::kByte).device(checker_.device()));
}

WorkHandle LoneCommunicator::all_reduce(at::Tensor data, ReduceOp op, Traffic) {
  checker_.in_place(Kind::kAllReduce, data, 0, op);
  return nullptr;
}

WorkHandle LoneCommunicator::reduce(at::Tensor data, int root, ReduceOp op, Traffic) {
  checker_.in_place(Kind::kReduce, data, root, op);
  return nullptr;
}

WorkHandle LoneCommunicator::reduce_scatter(at::Tensor output, at::Tensor input, Counts counts,
                                            ReduceOp op, Traffic) {
  checker_.reduce_scatter(output, input, counts, op);
  return copy(output, input);
}

WorkHandle LoneCommunicator::all_gather(at::Tensor output, at::Tensor input, Counts counts,
                                        Traffic) {
  checker_.all_gather(output, input, counts);
  return copy(output, input);
}

WorkHandle LoneCommunicator::broadcast(at::Tensor data, int root, Traffic) {
  checker_.in_place(Kind::kBroadcast, data, root, ReduceOp::kSum);
  return nullptr;
}

WorkHandle LoneCommunicator::all_to_all(at::Tensor output, at::Tensor input, Counts output_counts,
                                        Counts input_counts, Traffic) {
  checker_.all_to_all(output, input, output_counts, input_counts);
  return copy(output, input);
}

}  // namespace cuda
