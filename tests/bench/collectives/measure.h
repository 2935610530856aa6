// The protocol of the comparison, the same for every library: sizes, loops, slowest rank, JSON.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace bench {

struct Size {
  std::size_t bytes;
  int calls;
};
inline const std::vector<Size> kSizes = {
    {1 << 10, 500}, {64 << 10, 200}, {1 << 20, 50}, {16 << 20, 8}, {64 << 20, 4}};
inline constexpr int kWarmups = 3, kRepeats = 3;

/// What a library offers: the calls for one size by name, a barrier, and the maximum over ranks.
struct Library {
  std::function<std::map<std::string, std::function<void()>>(std::size_t bytes)> calls;
  std::function<void()> barrier;
  std::function<double(double)> slowest;
};

/// Microseconds a call (best of the repeats, mean of a loop, slowest rank), as a JSON object
/// {"all_reduce": {"1024": …}}. Every rank calls it; the text is the same on all.
inline std::string measure(const Library& library) {
  std::map<std::string, std::map<std::size_t, double>> best;
  for (const Size& size : kSizes) {
    for (const auto& [name, call] : library.calls(size.bytes)) {
      for (int i = 0; i < kWarmups; ++i) call();
      double micros = 0;
      for (int repeat = 0; repeat < kRepeats; ++repeat) {
        library.barrier();
        const auto start = std::chrono::steady_clock::now();
        for (int i = 0; i < size.calls; ++i) call();
        const std::chrono::duration<double, std::micro> took =
            std::chrono::steady_clock::now() - start;
        const double mean = library.slowest(took.count() / size.calls);
        micros = repeat == 0 || mean < micros ? mean : micros;
      }
      best[name][size.bytes] = micros;
    }
  }
  std::string json = "{";
  for (const auto& [name, sizes] : best) {
    json += (json.size() > 1 ? ", \"" : "\"") + name + "\": {";
    bool first = true;
    for (const auto& [bytes, micros] : sizes) {
      char number[32];
      std::snprintf(number, sizeof(number), "%.2f", micros);
      json += (first ? "\"" : ", \"") + std::to_string(bytes) + "\": " + number;
      first = false;
    }
    json += "}";
  }
  return json + "}";
}

}  // namespace bench
