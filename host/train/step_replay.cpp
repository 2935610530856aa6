#include "host/train/step_replay.h"

#include <utility>

namespace trainhost::train {

class StepReplay::Group : public Communicator {
 public:
  Group(std::unique_ptr<Communicator> owned, Communicator& inner, std::shared_ptr<Count> count)
      : owned_(std::move(owned)), inner_(inner), count_(std::move(count)) {}

  int rank() const override { return inner_.rank(); }
  int world() const override { return inner_.world(); }
  bool sums_in_rank_order() const override { return inner_.sums_in_rank_order(); }
  at::Tensor allocate(std::int64_t bytes) override { return inner_.allocate(bytes); }
  WorkHandle all_reduce(at::Tensor data, ReduceOp op, Traffic tag) override {
    return counted([&] { return inner_.all_reduce(std::move(data), op, tag); });
  }
  WorkHandle reduce(at::Tensor data, int root, ReduceOp op, Traffic tag) override {
    return counted([&] { return inner_.reduce(std::move(data), root, op, tag); });
  }
  WorkHandle reduce_scatter(at::Tensor output, at::Tensor input,
                            std::span<const std::int64_t> counts, ReduceOp op,
                            Traffic tag) override {
    return counted([&] {
      return inner_.reduce_scatter(std::move(output), std::move(input), counts, op, tag);
    });
  }
  WorkHandle all_gather(at::Tensor output, at::Tensor input, std::span<const std::int64_t> counts,
                        Traffic tag) override {
    return counted(
        [&] { return inner_.all_gather(std::move(output), std::move(input), counts, tag); });
  }
  WorkHandle broadcast(at::Tensor data, int root, Traffic tag) override {
    return counted([&] { return inner_.broadcast(std::move(data), root, tag); });
  }
  WorkHandle all_to_all(at::Tensor output, at::Tensor input,
                        std::span<const std::int64_t> output_counts,
                        std::span<const std::int64_t> input_counts, Traffic tag) override {
    return counted([&] {
      return inner_.all_to_all(std::move(output), std::move(input), output_counts, input_counts,
                               tag);
    });
  }
  void barrier(Traffic tag) override {
    counted([&]() -> WorkHandle {
      inner_.barrier(tag);
      return nullptr;
    });
  }
  void abort(std::string_view reason) noexcept override { inner_.abort(reason); }

 private:
  /// An operation for which there was no memory was not issued.
  template <class Issue>
  WorkHandle counted(const Issue& issue) {
    WorkHandle work = count_->issued < count_->left_out ? nullptr : issue();
    ++count_->issued;
    return work;
  }

  const std::unique_ptr<Communicator> owned_;  // null where it is borrowed
  Communicator& inner_;
  const std::shared_ptr<Count> count_;
};

std::unique_ptr<Communicator> StepReplay::watch(std::unique_ptr<Communicator> group) {
  Communicator& inner = *group;
  return watch(std::move(group), inner);
}

std::unique_ptr<Communicator> StepReplay::watch(Communicator& group) {
  return watch(nullptr, group);
}

std::unique_ptr<Communicator> StepReplay::watch(std::unique_ptr<Communicator> owned,
                                                Communicator& group) {
  const std::lock_guard lock(mutex_);
  counts_.push_back(std::make_shared<Count>());
  return std::make_unique<Group>(std::move(owned), group, counts_.back());
}

void StepReplay::begin() {
  const std::lock_guard lock(mutex_);
  for (const auto& count : counts_) count->issued = count->left_out = 0;
}

void StepReplay::again() {
  const std::lock_guard lock(mutex_);
  for (const auto& count : counts_) count->left_out = count->issued.exchange(0);
}

}  // namespace trainhost::train
