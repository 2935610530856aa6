// The batches of SBERT, packed on loader threads.
#include "sbert/batches.h"

#include <ATen/ops/empty.h>

#include <algorithm>

#include "sbert/model.h"

namespace sbert {
namespace {

using trainhost::Batch;
using trainhost::BatchSource;
using trainhost::Slice;

class Batches : public BatchSource {
 public:
  explicit Batches(std::shared_ptr<const Shared> shared) : shared_(std::move(shared)) {}

  std::int64_t steps(std::int64_t epoch, std::int64_t effective) override {
    return shared_->order->steps(epoch, effective);
  }
  std::int64_t rows(std::int64_t epoch, std::int64_t step, std::int64_t effective) override {
    return shared_->order->rows(epoch, step, effective);
  }
  Batch load(const Slice& slice, std::int64_t effective) override {
    const Chosen chosen =
        shared_->order->choose(slice.epoch, slice.step, effective, slice.begin, slice.end);
    const TrainingSet& set = shared_->order->sets()[static_cast<std::size_t>(chosen.set)].set;
    const bert::Packed packed = pack_rows(set, chosen.rows, slice.begin);
    auto texts = std::make_shared<BatchTexts>();
    *texts = {chosen.set, set.columns(), packed.sequences};
    Batch batch{slice, {packed.ids, packed.positions, packed.starts}, {}, std::move(texts)};
    if (set.has_labels()) batch.tensors.push_back(labels_of(set, chosen));
    return batch;
  }

 private:
  static bert::Packed pack_rows(const TrainingSet& set, const std::vector<std::int64_t>& rows,
                                std::int64_t first) {
    std::vector<std::span<const std::int32_t>> texts;
    std::vector<std::uint64_t> keys;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      for (std::int64_t column = 0; column < set.columns(); ++column) {
        texts.push_back(set.tokens(rows[i], column));
        // By place in the step's global batch: the same for any number of ranks.
        keys.push_back((static_cast<std::uint64_t>(first) + i) * kMostColumns +
                       static_cast<std::uint64_t>(column));
      }
    }
    return bert::pack(texts, std::move(keys));
  }

  at::Tensor labels_of(const TrainingSet& set, const Chosen& chosen) const {
    const LossSettings& loss = shared_->settings.losses[static_cast<std::size_t>(chosen.set)];
    const bool classes = loss.label_need() == LabelNeed::kClass;
    at::Tensor out = at::empty({static_cast<std::int64_t>(chosen.rows.size())},
                               at::TensorOptions(classes ? at::kLong : at::kFloat));
    for (std::size_t i = 0; i < chosen.rows.size(); ++i) {
      const float label = set.label(chosen.rows[i]);
      if (classes) {
        out.mutable_data_ptr<std::int64_t>()[i] = static_cast<std::int64_t>(label);
      } else {
        out.mutable_data_ptr<float>()[i] = label;
      }
    }
    return out;
  }

  const std::shared_ptr<const Shared> shared_;
};

}  // namespace

bert::Packed packed_rows(const Batch& batch, std::int64_t begin, std::int64_t end) {
  const auto& texts = *static_cast<const BatchTexts*>(batch.extra.get());
  if (begin == 0 && end == batch.rows()) {
    return {texts.sequences,
            batch.tensors[kIds],
            batch.tensors[kPositions],
            {},
            batch.tensors[kStarts]};
  }
  const bert::Sequences& all = *texts.sequences;
  const std::int64_t first = begin * texts.columns, last = end * texts.columns;
  const std::int64_t at = all.offsets[static_cast<std::size_t>(first)];
  auto some = std::make_shared<bert::Sequences>();
  for (std::int64_t i = first; i <= last; ++i) {
    some->offsets.push_back(all.offsets[static_cast<std::size_t>(i)] - at);
  }
  some->keys.assign(all.keys.begin() + first, all.keys.begin() + last);
  for (std::size_t i = 1; i < some->offsets.size(); ++i) {
    some->longest = std::max(some->longest, some->offsets[i] - some->offsets[i - 1]);
  }
  const std::int64_t tokens = some->tokens();
  return {std::move(some),
          batch.tensors[kIds].narrow(0, at, tokens),
          batch.tensors[kPositions].narrow(0, at, tokens),
          {},
          batch.tensors[kStarts].narrow(0, first, last - first + 1).sub(at)};
}

std::unique_ptr<BatchSource> make_batches(std::shared_ptr<const Shared> shared) {
  return std::make_unique<Batches>(std::move(shared));
}

}  // namespace sbert
