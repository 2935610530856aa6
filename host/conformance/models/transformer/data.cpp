#include "data.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <array>
namespace transformer {
namespace {

using namespace trainhost;

constexpr std::int64_t kMask = 0;
constexpr std::uint32_t kTopic = 3;
using Cursor = Random::Cursor;

std::int64_t any_token(const Settings& s, Cursor& cursor) {
  return 1 + cursor.bounded(static_cast<std::uint32_t>(s.vocabulary - 1));
}

std::int64_t token_of_class(const Settings& s, std::int64_t label, Cursor& cursor) {
  const std::int64_t members = (s.vocabulary - 1 - label + s.classes - 1) / s.classes;
  return 1 + label + s.classes * cursor.bounded(static_cast<std::uint32_t>(members));
}

void fill_by_class(const Settings& s, std::int64_t label, Cursor& cursor, std::int64_t* out) {
  for (std::int64_t t = 0; t < s.tokens; ++t) {
    out[t] = (cursor.word() & 1U) != 0 ? token_of_class(s, label, cursor) : any_token(s, cursor);
  }
}

void fill_by_topic(const Settings& s, const std::array<std::int64_t, kTopic>& topic, Cursor& cursor,
                   std::int64_t* out) {
  for (std::int64_t t = 0; t < s.tokens; ++t) {
    out[t] = (cursor.word() & 1U) != 0 ? topic[cursor.bounded(kTopic)] : any_token(s, cursor);
  }
}

/// Draws positions with replacement, so one may come twice; it is then asked for twice.
void hide(const Settings& s, std::int64_t row, Cursor& cursor, std::int64_t* tokens,
          std::int64_t* places, std::int64_t* wanted) {
  for (std::int64_t m = 0; m < s.masked; ++m) {
    const std::int64_t position = cursor.bounded(static_cast<std::uint32_t>(s.tokens));
    places[m] = row * s.tokens + position;
    wanted[m] = tokens[position];
  }
  for (std::int64_t m = 0; m < s.masked; ++m) tokens[places[m] - row * s.tokens] = kMask;
}

class Rows : public BatchSource {
 public:
  Rows(const Settings& settings, std::uint64_t seed)
      : settings_(settings), random_(seed, "transformer.rows") {}

  std::int64_t steps(std::int64_t, std::int64_t effective) override {
    return (settings_.rows + effective - 1) / effective;
  }
  std::int64_t rows(std::int64_t, std::int64_t step, std::int64_t effective) override {
    return std::min(effective, settings_.rows - step * effective);
  }
  Batch load(const Slice& slice, std::int64_t effective) override {
    const std::int64_t first = slice.step * effective;
    Batch batch;
    batch.slice = slice;
    batch.tensors =
        make_rows(settings_, random_, slice.epoch, first + slice.begin, first + slice.end);
    return batch;
  }

 private:
  const Settings settings_;
  const Random random_;
};

}  // namespace

Tensors make_rows(const Settings& s, const Random& random, std::int64_t epoch, std::int64_t begin,
                  std::int64_t end) {
  const std::int64_t n = end - begin;
  const bool pairs = s.task != Task::kClassify;
  Tensors out;
  for (const auto& shape : {std::vector<std::int64_t>{n, s.tokens},
                            {n},
                            {n, s.masked},
                            {n, s.masked},
                            {pairs ? n : 0, s.tokens}}) {
    out.push_back(at::empty(shape, at::TensorOptions(at::kLong)));
  }
  std::array<std::int64_t*, 5> to{};
  for (std::size_t i = 0; i < to.size(); ++i) to[i] = out[i].mutable_data_ptr<std::int64_t>();
  for (std::int64_t r = 0; r < n; ++r) {
    Cursor cursor =
        random.at(static_cast<std::uint32_t>(epoch), 0, static_cast<std::uint64_t>(begin + r));
    std::int64_t* tokens = to[kTokens] + r * s.tokens;
    const std::int64_t label = cursor.bounded(static_cast<std::uint32_t>(s.classes));
    to[kLabels][r] = label;
    if (pairs) {
      std::array<std::int64_t, kTopic> topic{};
      for (std::int64_t& token : topic) token = any_token(s, cursor);
      fill_by_topic(s, topic, cursor, tokens);
      fill_by_topic(s, topic, cursor, to[kPositives] + r * s.tokens);
    } else {
      fill_by_class(s, label, cursor, tokens);
    }
    hide(s, r, cursor, tokens, to[kPlaces] + r * s.masked, to[kWanted] + r * s.masked);
  }
  return out;
}

std::unique_ptr<BatchSource> make_batches(const Settings& settings, std::uint64_t seed) {
  return std::make_unique<Rows>(settings, seed);
}

}  // namespace transformer
