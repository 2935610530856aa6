#include "cuda/joint_calls.h"

#include "cuda/uneven_parts.h"
#include "trainhost/error.h"

namespace cuda {
namespace {

using Shown = LocalGroup::Shown;
using Verb = JointCall::Verb;

at::Tensor slice(const at::Tensor& all, const std::vector<std::int64_t>& offsets, int rank) {
  const auto r = static_cast<std::size_t>(rank);
  return all.narrow(0, offsets[r], offsets[r + 1] - offsets[r]);
}

bool are_even(const std::vector<std::int64_t>& offsets) {
  std::vector<std::int64_t> counts;
  for (std::size_t r = 1; r < offsets.size(); ++r) counts.push_back(offsets[r] - offsets[r - 1]);
  return all_equal(counts);
}

Verb whole(Kind kind) {
  return kind == Kind::kAllReduce ? Verb::kAllReduce
         : kind == Kind::kReduce  ? Verb::kReduce
                                  : Verb::kBroadcast;
}

/// One call a rank.
std::vector<JointCall> one_each(const LocalGroup& group, Verb verb) {
  std::vector<JointCall> out;
  for (int rank = 0; rank < group.world(); ++rank) {
    const Shown& shown = group.of(rank);
    const at::Tensor& to = shown.output.defined() ? shown.output : shown.tensor;
    out.push_back({rank, verb, shown.tensor, to, shown.what.op, shown.what.root});
  }
  return out;
}

/// Each part is reduced to its rank, straight into that rank's output.
std::vector<JointCall> reduced_parts(const LocalGroup& group) {
  std::vector<JointCall> out;
  for (int part = 0; part < group.world(); ++part) {
    for (int rank = 0; rank < group.world(); ++rank) {
      const Shown& shown = group.of(rank);
      const at::Tensor from = slice(shown.tensor, shown.offsets, part);
      if (from.numel() == 0) break;
      out.push_back(
          {rank, Verb::kReduce, from, rank == part ? shown.output : from, shown.what.op, part});
    }
  }
  return out;
}

/// Each part is broadcast by its rank, straight into the outputs.
std::vector<JointCall> gathered_parts(const LocalGroup& group) {
  std::vector<JointCall> out;
  for (int part = 0; part < group.world(); ++part) {
    for (int rank = 0; rank < group.world(); ++rank) {
      const Shown& shown = group.of(rank);
      const at::Tensor to = slice(shown.output, shown.offsets, part);
      if (to.numel() == 0) break;
      out.push_back(
          {rank, Verb::kBroadcast, rank == part ? shown.tensor : to, to, shown.what.op, part});
    }
  }
  return out;
}

std::vector<JointCall> exchanged(const LocalGroup& group) {
  std::vector<JointCall> out;
  for (int sender = 0; sender < group.world(); ++sender) {
    for (int receiver = 0; receiver < group.world(); ++receiver) {
      const Shown &there = group.of(sender), &here = group.of(receiver);
      const at::Tensor from = slice(there.tensor, there.offsets, receiver);
      const at::Tensor to = slice(here.output, here.output_offsets, sender);
      if (from.numel() != to.numel()) {
        throw trainhost::Error(
            trainhost::Failure::kRun,
            {.where = "cuda group '" + group.name() + "', rank " + std::to_string(receiver) +
                      ", all_to_all",
             .what = "rank " + std::to_string(sender) + " sends another count than is expected",
             .expected = std::to_string(to.numel()),
             .got = std::to_string(from.numel())});
      }
      if (from.numel() == 0) continue;
      out.push_back({sender, Verb::kSend, from, {}, there.what.op, receiver});
      out.push_back({receiver, Verb::kReceive, {}, to, here.what.op, sender});
    }
  }
  return out;
}

}  // namespace

std::vector<JointCall> joint_calls(const LocalGroup& group) {
  const Shown& first = group.of(0);
  switch (first.what.kind) {
    case Kind::kAllToAll:
      return exchanged(group);
    case Kind::kReduceScatter:
      if (first.what.count == 0) return {};
      return are_even(first.offsets) ? one_each(group, Verb::kReduceScatter) : reduced_parts(group);
    case Kind::kAllGather:
      if (first.what.count == 0) return {};
      return are_even(first.offsets) ? one_each(group, Verb::kAllGather) : gathered_parts(group);
    case Kind::kBarrier:
      return {};
    default:
      return first.what.count == 0 ? std::vector<JointCall>{}
                                   : one_each(group, whole(first.what.kind));
  }
}

}  // namespace cuda
