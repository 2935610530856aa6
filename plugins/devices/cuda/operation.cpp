#include "cuda/operation.h"

#include <algorithm>
#include <array>

#include "trainhost/error.h"

namespace cuda {
namespace {

using trainhost::Error;
using trainhost::Failure;
using trainhost::ReduceOp;

constexpr std::array kKindNames = {"all_reduce", "reduce",     "reduce_scatter", "all_gather",
                                   "broadcast",  "all_to_all", "barrier"};
constexpr std::array kOpNames = {"sum", "min", "max"};

const char* name_of(Kind kind) { return kKindNames[static_cast<std::size_t>(kind)]; }

bool reduces(Kind kind) {
  return kind == Kind::kAllReduce || kind == Kind::kReduce || kind == Kind::kReduceScatter;
}

bool serves(at::ScalarType type) {
  constexpr std::array kTypes = {at::kDouble, at::kFloat, at::kBFloat16,
                                 at::kHalf,   at::kLong,  at::kByte};
  return std::ranges::find(kTypes, type) != kTypes.end();
}

}  // namespace

bool Description::fits(const Description& other) const {
  return kind == other.kind && type == other.type && op == other.op && root == other.root &&
         (kind == Kind::kAllToAll || count == other.count);
}

std::string Description::text() const {
  if (kind == Kind::kBarrier) return name_of(kind);
  std::string out = name_of(kind);
  if (reduces(kind)) out += std::string(" (") + kOpNames[static_cast<std::size_t>(op)] + ")";
  out += " of " + std::to_string(count) + " " + c10::toString(type);
  if (kind == Kind::kReduce || kind == Kind::kBroadcast) out += ", root " + std::to_string(root);
  return out;
}

Description Checker::in_place(Kind kind, const at::Tensor& data, int root, ReduceOp op) const {
  check(kind, "data", data);
  if (root < 0 || root >= world_) {
    refuse(kind, "there is no such root", "a rank below " + std::to_string(world_),
           std::to_string(root));
  }
  return {kind, data.scalar_type(), op, root, data.numel()};
}

Description Checker::reduce_scatter(const at::Tensor& output, const at::Tensor& input,
                                    Counts counts, ReduceOp op) const {
  constexpr Kind kKind = Kind::kReduceScatter;
  check_pair(kKind, output, input);
  const std::int64_t total = check_counts(kKind, counts);
  check_size(kKind, "input", input, total);
  check_size(kKind, "output", output, counts[static_cast<std::size_t>(rank_)]);
  return {kKind, input.scalar_type(), op, 0, total};
}

Description Checker::all_gather(const at::Tensor& output, const at::Tensor& input,
                                Counts counts) const {
  constexpr Kind kKind = Kind::kAllGather;
  check_pair(kKind, output, input);
  const std::int64_t total = check_counts(kKind, counts);
  check_size(kKind, "output", output, total);
  check_size(kKind, "input", input, counts[static_cast<std::size_t>(rank_)]);
  return {kKind, input.scalar_type(), ReduceOp::kSum, 0, total};
}

Description Checker::all_to_all(const at::Tensor& output, const at::Tensor& input,
                                Counts output_counts, Counts input_counts) const {
  constexpr Kind kKind = Kind::kAllToAll;
  check_pair(kKind, output, input);
  check_size(kKind, "output", output, check_counts(kKind, output_counts));
  check_size(kKind, "input", input, check_counts(kKind, input_counts));
  return {kKind, input.scalar_type(), ReduceOp::kSum, 0, input.numel()};
}

void Checker::refuse(Kind kind, const std::string& what, const std::string& expected,
                     const std::string& got) const {
  throw Error(Failure::kRun, {.where = "cuda group '" + group_ + "', rank " +
                                       std::to_string(rank_) + ", " + name_of(kind),
                              .what = what,
                              .expected = expected,
                              .got = got});
}

void Checker::check(Kind kind, const char* which, const at::Tensor& tensor) const {
  if (!tensor.defined()) refuse(kind, std::string(which) + " is no tensor", "a tensor", "none");
  if (tensor.device() != device_) {
    refuse(kind, std::string(which) + " is on another device", device_.str(),
           tensor.device().str());
  }
  if (!tensor.is_contiguous()) {
    refuse(kind, std::string(which) + " is not contiguous", "a contiguous tensor",
           "one with strides");
  }
  if (!serves(tensor.scalar_type())) {
    refuse(kind, std::string(which) + " is of a type that is not served",
           "Double, Float, BFloat16, Half, Long or Byte", c10::toString(tensor.scalar_type()));
  }
}

void Checker::check_pair(Kind kind, const at::Tensor& output, const at::Tensor& input) const {
  check(kind, "input", input);
  check(kind, "output", output);
  if (input.scalar_type() == output.scalar_type()) return;
  refuse(kind, "input and output differ in type", c10::toString(input.scalar_type()),
         c10::toString(output.scalar_type()));
}

std::int64_t Checker::check_counts(Kind kind, Counts counts) const {
  if (static_cast<int>(counts.size()) != world_) {
    refuse(kind, "there must be a count for each rank", std::to_string(world_),
           std::to_string(counts.size()));
  }
  std::int64_t total = 0;
  for (const std::int64_t count : counts) {
    if (count < 0) refuse(kind, "a count is negative", "0 or more", std::to_string(count));
    total += count;
  }
  return total;
}

void Checker::check_size(Kind kind, const char* which, const at::Tensor& tensor,
                         std::int64_t count) const {
  if (tensor.numel() == count) return;
  refuse(kind, std::string(which) + " has another size than the counts say",
         std::to_string(count) + " elements", std::to_string(tensor.numel()));
}

std::vector<std::int64_t> offsets_of(Counts counts) {
  std::vector<std::int64_t> out(counts.size() + 1, 0);
  for (std::size_t r = 0; r < counts.size(); ++r) out[r + 1] = out[r] + counts[r];
  return out;
}

std::vector<std::int64_t> even_parts(std::int64_t count, int world) {
  constexpr std::int64_t kBlock = 16;
  const std::int64_t blocks = (count + kBlock - 1) / kBlock;
  std::vector<std::int64_t> out;
  std::int64_t begin = 0;
  for (int rank = 1; rank <= world; ++rank) {
    const std::int64_t end = std::min(count, blocks * rank / world * kBlock);
    out.push_back(end - begin);
    begin = end;
  }
  return out;
}

}  // namespace cuda
