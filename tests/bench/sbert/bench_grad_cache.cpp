// bench_grad_cache ROWS MINI_BATCH ROUNDS THREADS: mnrl's forward and backward beside GradCache's,
// as one line of JSON.
//
// An encoder of MiniLM-L6's size with random weights, dropout 0.1, fp32; ROWS pairs of 8 to 27
// tokens, one rank. Each round runs both in turn, so that what the machine does besides meets both;
// the first round is left out. `forward_ms`: without a graph; `ratio`: of the fastest steps.
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "bert/encoder.h"
#include "bert/pooling.h"
#include "rank_threads.h"
#include "sbert/grad_cache.h"

namespace {

using namespace sbert;
using trainhost::Tensors;
using Clock = std::chrono::steady_clock;

constexpr bert::Config kMiniLm{.hidden = 384, .layers = 6, .heads = 12, .intermediate = 1536};
constexpr std::uint64_t kSeed = 5;

/// The tokens of a row's text in a column, of a length between 8 and 27.
std::vector<std::int32_t> text(std::int64_t row, std::int64_t column) {
  const trainhost::Random random(kSeed, "bench.text");
  auto cursor = random.at(0, static_cast<std::uint16_t>(column), static_cast<std::uint64_t>(row));
  std::vector<std::int32_t> out(8 + cursor.bounded(20));
  for (std::int32_t& id : out) id = static_cast<std::int32_t>(cursor.bounded(30000));
  return out;
}

/// Both columns of the rows, as the plugin embeds them: row by row.
bert::Packed packed(std::int64_t begin, std::int64_t end) {
  std::vector<std::vector<std::int32_t>> texts;
  std::vector<std::uint64_t> keys;
  for (std::int64_t i = 2 * begin; i < 2 * end; ++i) {
    texts.push_back(text(i / 2, i % 2));
    keys.push_back(static_cast<std::uint64_t>(i));
  }
  return bert::pack({texts.begin(), texts.end()}, std::move(keys));
}

double milliseconds(const std::function<void()>& work) {
  const Clock::time_point start = Clock::now();
  work();
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

double best_of(const std::vector<double>& times) {
  return *std::min_element(times.begin() + (times.size() > 1 ? 1 : 0), times.end());
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 5) {
    std::fprintf(stderr, "usage: bench_grad_cache ROWS MINI_BATCH ROUNDS THREADS\n");
    return 2;
  }
  const std::int64_t rows = std::atoll(arguments[1]), mini_batch = std::atoll(arguments[2]);
  const int rounds = std::atoi(arguments[3]), threads = std::atoi(arguments[4]);
  const bert::Encoder encoder(kMiniLm, 0);
  trainhost::ModelSpec model;
  encoder.declare(bert::Weights::from_seed(kMiniLm, kSeed), model);
  const auto loss = make_loss({});
  std::vector<double> plain, cached, forward;
  const auto errors =
      trainhost::testing::on_ranks(1, model, [&](const trainhost::testing::RankOfTest& at) {
        at::set_num_threads(threads);
        const Embed embed = [&](std::int64_t begin, std::int64_t end) {
          const bert::Packed texts = packed(begin, end);
          const at::Tensor all =
              bert::pool(encoder.encode(texts, 0, at.execution), texts, bert::Pooling::kMean, true)
                  .view({end - begin, 2, kMiniLm.hidden});
          return Tensors{all.select(1, 0), all.select(1, 1)};
        };
        for (int round = 0; round <= rounds; ++round) {
          plain.push_back(milliseconds([&] {
            at.execution.begin_micro_batch(true);
            at.execution.finish_micro_batch(
                loss->of({embed(0, rows), {}, {rows}}, at.execution).sum);
          }));
          forward.push_back(milliseconds([&] {
            const at::NoGradGuard no_graph;
            embed(0, rows);
          }));
          cached.push_back(milliseconds([&] {
            at.execution.begin_micro_batch(true);
            cached_loss(*loss, {{}, {rows}, mini_batch}, embed, at.execution);
          }));
        }
      });
  if (!errors[0].empty()) {
    std::fprintf(stderr, "%s\n", errors[0].c_str());
    return 1;
  }
  std::printf(
      "{\"rows\": %lld, \"mini_batch\": %lld, \"rounds\": %d, \"threads\": %d, \"mnrl_ms\": %.1f, "
      "\"forward_ms\": %.1f, \"cached_ms\": %.1f, \"ratio\": %.3f}\n",
      static_cast<long long>(rows), static_cast<long long>(mini_batch), rounds, threads,
      best_of(plain), best_of(forward), best_of(cached), best_of(cached) / best_of(plain));
}
