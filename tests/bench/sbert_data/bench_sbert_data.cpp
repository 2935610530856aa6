// bench_sbert_data PAIRS.tsv VOCAB CACHE_FOLDER THREADS BATCH: seconds as one line of JSON.
//
// Reading and tokenising a file of pairs (cold: no token cache; warm: with it), and one pass of
// each arrangement over it.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "sbert/order.h"

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// The first epoch's steps, from nothing; and how many are full.
void time_order(const sbert::TrainingSet& set, sbert::Arrangement arrangement, const char* name,
                std::int64_t batch) {
  Clock::time_point start = Clock::now();
  const sbert::Order order({{set, arrangement}}, sbert::Mix::kProportional, false, 12);
  const double once = seconds_since(start);
  start = Clock::now();
  const std::int64_t steps = order.steps(0, batch);
  const double epoch = seconds_since(start);
  std::int64_t full = 0;
  for (std::int64_t step = 0; step < steps; ++step) {
    full += order.rows(0, step, batch) == batch ? 1 : 0;
  }
  std::printf(", \"%s\": {\"once_s\": %.4f, \"epoch_s\": %.4f, \"steps\": %lld, \"full\": %lld}",
              name, once, epoch, static_cast<long long>(steps), static_cast<long long>(full));
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 6) {
    std::fprintf(stderr, "usage: bench_sbert_data PAIRS.tsv VOCAB CACHE_FOLDER THREADS BATCH\n");
    return 2;
  }
  constexpr std::int32_t kLongest = 128;
  const int threads = std::atoi(arguments[4]);
  const std::int64_t batch = std::atoll(arguments[5]);
  const bert::Tokenizer tokenizer(bert::Vocabulary::from_text_file(arguments[2]), {});
  sbert::SetSettings settings;
  settings.file.path = arguments[1];
  settings.texts = {"1", "2"};

  std::filesystem::remove_all(std::string(arguments[3]) + "/sbert");
  Clock::time_point start = Clock::now();
  const sbert::TrainingSet set =
      sbert::load_set(settings, tokenizer, kLongest, threads, arguments[3]);
  const double cold = seconds_since(start);
  start = Clock::now();
  sbert::load_set(settings, tokenizer, kLongest, threads, arguments[3]);
  const double warm = seconds_since(start);
  std::printf(
      "{\"rows\": %lld, \"tokens\": %lld, \"threads\": %d, \"batch\": %lld, "
      "\"cold_s\": %.3f, \"warm_s\": %.3f",
      static_cast<long long>(set.rows()), static_cast<long long>(set.all_tokens()), threads,
      static_cast<long long>(batch), cold, warm);
  time_order(set, sbert::Arrangement::kRandom, "random", batch);
  time_order(set, sbert::Arrangement::kLength, "length", batch);
  time_order(set, sbert::Arrangement::kNoDuplicates, "no_duplicates", batch);
  std::printf("}\n");
}
