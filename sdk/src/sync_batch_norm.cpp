#include "trainhost/sync_batch_norm.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <numeric>
#include <sstream>
#include <utility>
#include <vector>

#include "trainhost/error.h"

namespace trainhost {
namespace {

constexpr std::size_t kWeight = 0, kBias = 1, kMean = 0, kVariance = 1;

Initializer constant(double value) {
  return [value](at::Tensor& out) { out.fill_(value); };
}

/// [channels] as it is broadcast over x [n, channels, …].
at::Tensor along_channels(const at::Tensor& values, const at::Tensor& x) {
  std::vector<std::int64_t> shape(static_cast<std::size_t>(x.dim()), 1);
  shape[1] = values.size(0);
  return values.view(shape);
}

/// All dimensions but that of the channels.
std::vector<std::int64_t> others(const at::Tensor& x) {
  std::vector<std::int64_t> out(static_cast<std::size_t>(x.dim()) - 1);
  std::iota(out.begin(), out.end(), 1);
  out[0] = 0;
  return out;
}

at::Tensor widened(const at::Tensor& x) {
  return x.scalar_type() == at::kDouble ? x : x.to(at::kFloat);
}

at::Tensor normalise(const at::Tensor& x, const at::Tensor& mean, const at::Tensor& variance,
                     const at::Tensor& weight, const at::Tensor& bias, double epsilon) {
  const at::Tensor wide = widened(x);
  const auto own = [&](const at::Tensor& values) {
    return along_channels(values.to(wide.scalar_type()), x);
  };
  const at::Tensor factor = at::rsqrt(own(variance) + epsilon) * own(weight);
  return ((wide - own(mean)) * factor + own(bias)).to(x.scalar_type());
}

}  // namespace

SyncBatchNorm::SyncBatchNorm(UnitSpec& unit, int index, const std::string& name,
                             std::int64_t channels, Settings settings, const std::string& group)
    : unit_(index),
      name_(unit.name + "/" + name),
      channels_(channels),
      settings_(settings),
      first_parameter_(unit.parameters.size()),
      first_buffer_(unit.buffers.size()) {
  for (const auto& [tensor, value] : {std::pair{".weight", 1.0}, std::pair{".bias", 0.0}}) {
    ParameterSpec& parameter = unit.parameters.emplace_back();
    parameter.name = name + tensor;
    parameter.shape = {channels};
    parameter.initialize = constant(value);
    parameter.dtype = settings.dtype;
    parameter.group = group;
  }
  for (const auto& [tensor, value] :
       {std::pair{".running_mean", 0.0}, std::pair{".running_var", 1.0}}) {
    unit.buffers.push_back({name + tensor, {channels}, constant(value), settings.dtype});
  }
}

void SyncBatchNorm::check(const at::Tensor& x, std::span<const std::int64_t> rows_of,
                          const Execution& execution) const {
  const auto rank = static_cast<std::size_t>(execution.rank());
  const bool shaped = x.dim() >= 2 && x.size(1) == channels_ && x.is_floating_point();
  const bool counted =
      !execution.training() || (static_cast<int>(rows_of.size()) == execution.world() && shaped &&
                                rows_of[rank] == x.size(0));
  if (shaped && counted) return;
  std::ostringstream got;
  got << x.scalar_type() << " " << x.sizes() << " and counts of " << rows_of.size() << " ranks";
  throw Error(
      Failure::kPlugin,
      {.where = "SyncBatchNorm '" + name_ + "'",
       .what = "the input does not fit",
       .expected = "floating [n, " + std::to_string(channels_) + ", …], n as counted for " +
                   "this rank, and counts of " + std::to_string(execution.world()) + " ranks",
       .got = got.str()});
}

at::Tensor SyncBatchNorm::apply(const at::Tensor& x, std::span<const std::int64_t> rows_of,
                                Execution& execution) const {
  check(x, rows_of, execution);
  const std::size_t weight = first_parameter_ + kWeight, bias = first_parameter_ + kBias;
  const double epsilon = settings_.epsilon;
  if (!execution.training()) {
    const std::size_t mean = first_buffer_ + kMean, variance = first_buffer_ + kVariance;
    const auto by_running = [=](const UnitTensors& unit, const Tensors& in) {
      return Tensors{normalise(in[0], unit.buffer(mean), unit.buffer(variance),
                               unit.parameter(weight), unit.parameter(bias), epsilon)};
    };
    return execution.run(unit_, by_running, {x})[0];
  }
  const Statistics batch = statistics(x, rows_of, execution);
  if (c10::GradMode::is_enabled() && batch.count > 0) remember(batch, execution);
  const auto by_batch = [=](const UnitTensors& unit, const Tensors& in) {
    return Tensors{
        normalise(in[0], in[1], in[2], unit.parameter(weight), unit.parameter(bias), epsilon)};
  };
  return execution.run(unit_, by_batch, {x, batch.mean, batch.variance})[0];
}

/// Each rank's mean and sum of squares about it, gathered and put together (Chan, Golub, LeVeque:
/// "Algorithms for Computing the Sample Variance", 1983, equation 2.1): as exact as one process
/// with all rows, and the same bits on all ranks.
SyncBatchNorm::Statistics SyncBatchNorm::statistics(const at::Tensor& x,
                                                    std::span<const std::int64_t> rows_of,
                                                    Execution& execution) const {
  const at::Tensor wide = widened(x);
  double values_of_row = 1;  // in a channel
  for (std::int64_t d = 2; d < x.dim(); ++d) values_of_row *= static_cast<double>(x.size(d));
  std::vector<double> shares;
  for (const std::int64_t rows : rows_of) {
    shares.push_back(static_cast<double>(rows) * values_of_row);
  }
  const double mine = shares[static_cast<std::size_t>(execution.rank())];
  const double all = std::accumulate(shares.begin(), shares.end(), 0.0);
  if (all == 1) {
    throw Error(Failure::kUser, {.where = "SyncBatchNorm '" + name_ + "'",
                                 .what = "a batch of one value a channel has no variance",
                                 .expected = "at least 2 rows on all ranks together",
                                 .got = "1",
                                 .fix = "choose a batch that leaves no last row alone"});
  }
  const double some = std::max(1.0, all);
  for (double& share : shares) share /= some;

  const at::Tensor own_mean = wide.sum(others(x)) / std::max(1.0, mine);
  const at::Tensor centred = wide - along_channels(own_mean, x);
  const at::Tensor own_squares = (centred * centred).sum(others(x)) / some;
  if (execution.world() == 1) return {own_mean, own_squares, all};
  const std::vector<std::int64_t> one_row(rows_of.size(), 1);
  const at::Tensor gathered =
      execution.all_gather(at::cat({own_mean, own_squares}).unsqueeze(0), one_row);
  const at::Tensor means = gathered.narrow(1, 0, channels_);
  const at::Tensor weights =
      at::tensor(shares, at::TensorOptions(at::kDouble)).to(wide.options()).unsqueeze(1);
  const at::Tensor mean = (weights * means).sum(0);
  const at::Tensor apart = means - mean;
  const at::Tensor squares =
      gathered.narrow(1, channels_, channels_).sum(0) + (weights * apart * apart).sum(0);
  return {mean, squares, all};
}

/// A run of its own and without a graph: one that is differentiated may run twice. The running
/// variance is the unbiased one.
void SyncBatchNorm::remember(const Statistics& batch, Execution& execution) const {
  const at::NoGradGuard no_graph;
  const at::Tensor mean = batch.mean.detach();
  const at::Tensor variance = batch.variance.detach() * (batch.count / (batch.count - 1));
  execution.run(
      unit_,
      [&](const UnitTensors& unit, const Tensors&) {
        const double momentum = settings_.momentum;
        unit.buffer(first_buffer_ + kMean).mul_(1 - momentum).add_(mean, momentum);
        unit.buffer(first_buffer_ + kVariance).mul_(1 - momentum).add_(variance, momentum);
        return Tensors{};
      },
      {});
}

}  // namespace trainhost
