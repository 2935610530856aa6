#include "shared_memory/communicator.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>

#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "trainhost/error.h"

namespace shared_memory {
namespace {

using trainhost::Error;
using trainhost::Failure;
using trainhost::ReduceOp;
using trainhost::Traffic;
using trainhost::WorkHandle;
using Counts = std::span<const std::int64_t>;

/// Up to here an operation takes less time than handing it to another thread gains.
constexpr std::size_t kInlineBytes = std::size_t{128} << 10;

std::optional<Element> element_of(at::ScalarType type) {
  switch (type) {
    case at::kDouble:
      return Element::kF64;
    case at::kFloat:
      return Element::kF32;
    case at::kBFloat16:
      return Element::kBF16;
    case at::kHalf:
      return Element::kF16;
    case at::kLong:
      return Element::kI64;
    case at::kByte:
      return Element::kU8;
    default:
      return std::nullopt;
  }
}

std::byte* data_of(const at::Tensor& tensor) {
  return static_cast<std::byte*>(tensor.mutable_data_ptr());
}

Reduction reduction_of(ReduceOp op) {
  return op == ReduceOp::kSum   ? Reduction::kSum
         : op == ReduceOp::kMin ? Reduction::kMin
                                : Reduction::kMax;
}

std::exception_ptr closed_error(const std::string& name) {
  return std::make_exception_ptr(Error(
      Failure::kRankLost, {.where = "group '" + name + "'",
                           .what = "the communicator was destroyed before this operation was done",
                           .fix = "wait for every Work before the communicator goes"}));
}

}  // namespace

SharedCommunicator::SharedCommunicator(std::unique_ptr<Engine> engine, std::string name, int rank,
                                       int world)
    : name_(std::move(name)),
      rank_(rank),
      world_(world),
      engine_(std::move(engine)),
      queue_(std::make_shared<WorkQueue>()) {}

SharedCommunicator::~SharedCommunicator() {
  if (!queue_->idle()) abort("the communicator was destroyed");
  queue_->close(closed_error(name_));
}

at::Tensor SharedCommunicator::allocate(std::int64_t bytes) {
  if (bytes < 0) {
    refuse(Kind::kAllocate, "a size is wrong", "0 or more bytes", std::to_string(bytes));
  }
  if (world_ == 1 || bytes == 0) {
    barrier(Traffic::kHost);
    return at::zeros({bytes}, at::kByte);
  }
  if (!queue_->idle()) barrier(Traffic::kHost);
  std::shared_ptr<const Buffer> buffer = engine_->allocate(bytes);
  std::byte* const data = buffer->ranks[static_cast<std::size_t>(rank_)]->data();
  const auto let_go = [buffers = engine_->buffers(), buffer = std::move(buffer)](void*) mutable {
    buffers->remove(buffer->id);
    buffer.reset();
  };
  return at::from_blob(data, {bytes}, let_go, at::kByte);
}

WorkHandle SharedCommunicator::all_reduce(at::Tensor data, ReduceOp op, Traffic tag) {
  return in_place(Kind::kAllReduce, data, 0, op, tag);
}

WorkHandle SharedCommunicator::reduce(at::Tensor data, int root, ReduceOp op, Traffic tag) {
  check_root(Kind::kReduce, root);
  return in_place(Kind::kReduce, data, root, op, tag);
}

WorkHandle SharedCommunicator::broadcast(at::Tensor data, int root, Traffic tag) {
  check_root(Kind::kBroadcast, root);
  return in_place(Kind::kBroadcast, data, root, ReduceOp::kSum, tag);
}

WorkHandle SharedCommunicator::in_place(Kind kind, at::Tensor& data, int root, ReduceOp op,
                                        Traffic tag) {
  Operation operation;
  operation.what = {
      kind, check(kind, "data", data), reduction_of(op), std::uint8_t(tag), root, data.numel()};
  operation.output = data_of(data);
  at::Tensor none;
  return run(operation, data, none);
}

WorkHandle SharedCommunicator::reduce_scatter(at::Tensor output, at::Tensor input, Counts counts,
                                              ReduceOp op, Traffic tag) {
  constexpr Kind kKind = Kind::kReduceScatter;
  const Element element = check(kKind, "input", input);
  if (check(kKind, "output", output) != element) {
    refuse(kKind, "input and output differ in type", input.toString(), output.toString());
  }
  const std::int64_t total = check_counts(kKind, counts);
  check_size(kKind, "input", input, total);
  check_size(kKind, "output", output, counts[static_cast<std::size_t>(rank_)]);
  Operation operation;
  operation.what = {kKind, element, reduction_of(op), std::uint8_t(tag), 0, total};
  operation.input = data_of(input);
  operation.output = data_of(output);
  operation.counts = counts;
  return run(operation, output, input);
}

WorkHandle SharedCommunicator::all_gather(at::Tensor output, at::Tensor input, Counts counts,
                                          Traffic tag) {
  constexpr Kind kKind = Kind::kAllGather;
  const Element element = check(kKind, "input", input);
  if (check(kKind, "output", output) != element) {
    refuse(kKind, "input and output differ in type", input.toString(), output.toString());
  }
  const std::int64_t total = check_counts(kKind, counts);
  check_size(kKind, "output", output, total);
  check_size(kKind, "input", input, counts[static_cast<std::size_t>(rank_)]);
  Operation operation;
  operation.what = {kKind, element, Reduction::kSum, std::uint8_t(tag), 0, total};
  operation.input = data_of(input);
  operation.output = data_of(output);
  operation.counts = counts;
  return run(operation, output, input);
}

WorkHandle SharedCommunicator::all_to_all(at::Tensor output, at::Tensor input, Counts output_counts,
                                          Counts input_counts, Traffic tag) {
  constexpr Kind kKind = Kind::kAllToAll;
  const Element element = check(kKind, "input", input);
  if (check(kKind, "output", output) != element) {
    refuse(kKind, "input and output differ in type", input.toString(), output.toString());
  }
  check_size(kKind, "output", output, check_counts(kKind, output_counts));
  check_size(kKind, "input", input, check_counts(kKind, input_counts));
  Operation operation;
  operation.what = {kKind, element, Reduction::kSum, std::uint8_t(tag), 0, input.numel()};
  operation.input = data_of(input);
  operation.output = data_of(output);
  operation.counts = output_counts;
  operation.sent_counts = input_counts;
  return run(operation, output, input);
}

void SharedCommunicator::barrier(Traffic tag) {
  Operation operation;
  operation.what.tag = std::uint8_t(tag);
  at::Tensor none;
  wait(run(operation, none, none));
}

void SharedCommunicator::abort(std::string_view reason) noexcept {
  if (engine_) engine_->group().abort(reason);
}

WorkHandle SharedCommunicator::run(const Operation& operation, at::Tensor& output,
                                   at::Tensor& input) {
  if (!engine_) return run_alone(operation);
  if (operation.bytes() <= kInlineBytes && queue_->idle()) {
    engine_->run(operation, false);
    return nullptr;
  }
  // The job owns the counts and the tensors, which hold the memory.
  return queue_->issue(
      [engine = engine_.get(), operation, output = std::move(output), input = std::move(input),
       counts = std::vector(operation.counts.begin(), operation.counts.end()),
       sent =
           std::vector(operation.sent_counts.begin(), operation.sent_counts.end())](bool worker) {
        Operation own = operation;
        own.counts = counts;
        own.sent_counts = sent;
        engine->run(own, worker);
      });
}

/// A group of one: what would come from the others is what is there.
WorkHandle SharedCommunicator::run_alone(const Operation& operation) {
  if (operation.input != nullptr && operation.input != operation.output && operation.bytes() > 0) {
    std::memmove(operation.output, operation.input, operation.bytes());
  }
  return nullptr;
}

void SharedCommunicator::refuse(Kind kind, const std::string& what, const std::string& expected,
                                const std::string& got) const {
  Description description;
  description.kind = kind;
  std::string verb = description.brief();
  verb.resize(verb.find(' ') == std::string::npos ? verb.size() : verb.find(' '));
  throw Error(Failure::kRun,
              {.where = verb + " of group '" + name_ + "', rank " + std::to_string(rank_),
               .what = what,
               .expected = expected,
               .got = got});
}

Element SharedCommunicator::check(Kind kind, const char* which, const at::Tensor& tensor) const {
  const std::string name = which;
  if (!tensor.defined()) refuse(kind, name + " is undefined", "a tensor", "none");
  if (!tensor.device().is_cpu()) {
    refuse(kind, name + " is on another device", "cpu", tensor.device().str());
  }
  if (!tensor.is_contiguous()) {
    refuse(kind, name + " is not contiguous", "a contiguous tensor", "a strided view");
  }
  const std::optional<Element> element = element_of(tensor.scalar_type());
  if (!element) {
    refuse(kind, name + " has a type that is not supported",
           "float64, float32, bfloat16, float16, int64 or uint8", tensor.toString());
  }
  return *element;
}

void SharedCommunicator::check_root(Kind kind, int root) const {
  if (root >= 0 && root < world_) return;
  refuse(kind, "there is no such root", "a rank from 0 to " + std::to_string(world_ - 1),
         std::to_string(root));
}

std::int64_t SharedCommunicator::check_counts(Kind kind, Counts counts) const {
  if (counts.size() != static_cast<std::size_t>(world_)) {
    refuse(kind, "there must be one count for each rank", std::to_string(world_) + " counts",
           std::to_string(counts.size()));
  }
  std::int64_t total = 0;
  for (const std::int64_t count : counts) {
    if (count < 0) refuse(kind, "a count is negative", "0 or more", std::to_string(count));
    total += count;
  }
  return total;
}

void SharedCommunicator::check_size(Kind kind, const char* which, const at::Tensor& tensor,
                                    std::int64_t count) const {
  if (tensor.numel() == count) return;
  refuse(kind, std::string(which) + " has another size than the counts say",
         std::to_string(count) + " elements", std::to_string(tensor.numel()));
}

}  // namespace shared_memory
