// bench_tokenizer VOCAB LINES THREADS REPEATS: lines/s of Tokenizer::encode, as one line of JSON.
//
// LINES is a text with one sentence a line; encoded 1,000 at a time and cut at 128 ids, as the peer
// does it. `start_ms`: reading the vocabulary and building the tables.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "bert/tokenizer.h"

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 5) {
    std::fprintf(stderr, "usage: bench_tokenizer VOCAB LINES THREADS REPEATS\n");
    return 2;
  }
  constexpr std::size_t kChunk = 1000;
  constexpr std::int32_t kLongest = 128;
  const int threads = std::atoi(arguments[3]), repeats = std::atoi(arguments[4]);
  std::vector<std::string> lines;
  std::ifstream file(arguments[2]);
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  const std::vector<std::string_view> views(lines.begin(), lines.end());

  const Clock::time_point start = Clock::now();
  const bert::Tokenizer tokenizer(bert::Vocabulary::from_text_file(arguments[1]), {});
  const double start_ms = 1e3 * seconds_since(start);

  std::size_t tokens = 0;
  std::string rates;
  for (int repeat = 0; repeat < repeats; ++repeat) {
    tokens = 0;
    const Clock::time_point began = Clock::now();
    for (std::size_t at = 0; at < views.size(); at += kChunk) {
      const std::size_t size = std::min(kChunk, views.size() - at);
      tokens += tokenizer.encode({views.data() + at, size}, kLongest, threads).ids.size();
    }
    const double rate = static_cast<double>(lines.size()) / seconds_since(began);
    rates += (repeat > 0 ? ", " : "") + std::to_string(static_cast<long>(rate));
  }
  std::printf(
      "{\"threads\": %d, \"lines\": %zu, \"tokens\": %zu, \"start_ms\": %.2f, "
      "\"samples_per_s\": [%s]}\n",
      threads, lines.size(), tokens, start_ms, rates.c_str());
}
