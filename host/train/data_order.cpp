#include "host/train/data_order.h"

#include <algorithm>

namespace trainhost::train {

std::int64_t DataOrder::steps(std::int64_t objective, std::int64_t epoch) const {
  const Objective& current = objectives_[objective];
  const std::int64_t steps = current.source->steps(epoch, current.effective_batch);
  return few_steps_ > 0 ? std::min(steps, few_steps_) : steps;
}

bool DataOrder::halve(std::int64_t objective) {
  Objective& current = objectives_[objective];
  if (current.micro_batch <= 1) return false;
  current.micro_batch = (current.micro_batch + 1) / 2;
  current.micro_batches *= 2;
  return true;
}

void DataOrder::start(const checkpoint::Position& position) {
  loading_ = position;
  micro_batch_ = 0;
}

std::optional<LoadRequest> DataOrder::next() {
  while (loading_.epoch < epochs_) {
    if (loading_.objective == std::ssize(objectives_)) {
      loading_.objective = 0;
      ++loading_.epoch;
      continue;
    }
    if (loading_.step < steps(loading_.objective, loading_.epoch)) {
      const LoadRequest out = request(loading_, micro_batch_);
      if (++micro_batch_ == objectives_[loading_.objective].micro_batches) {
        micro_batch_ = 0;
        ++loading_.step;
        ++loading_.global_steps[loading_.objective];
      }
      return out;
    }
    loading_.step = 0;
    ++loading_.objective;
  }
  return std::nullopt;
}

LoadRequest DataOrder::without_rows(const checkpoint::Position& position,
                                    std::int64_t index) const {
  LoadRequest out = request(position, index);
  out.slice.end = out.slice.begin;
  return out;
}

LoadRequest DataOrder::request(const checkpoint::Position& position, std::int64_t index) const {
  const Objective& current = objectives_[position.objective];
  const bool last_of_few = few_steps_ > 0 && position.step + 1 >= few_steps_;
  const std::int64_t step = last_of_few
                                ? current.source->steps(position.epoch, current.effective_batch) - 1
                                : position.step;
  const std::int64_t rows = current.source->rows(position.epoch, step, current.effective_batch);
  const auto cut = [&](std::int64_t row) { return std::min(rows, row); };
  const std::int64_t first = index * place_.world * current.micro_batch;
  const std::int64_t mine = first + place_.rank * current.micro_batch;
  LoadRequest out;
  out.objective = static_cast<int>(position.objective);
  out.slice = {position.epoch, step, position.global_steps[position.objective], cut(mine),
               cut(mine + current.micro_batch)};
  for (std::int64_t rank = 0; rank < place_.world; ++rank) {
    out.slice.rows_of.push_back(cut(first + (rank + 1) * current.micro_batch) -
                                cut(first + rank * current.micro_batch));
  }
  return out;
}

}  // namespace trainhost::train
