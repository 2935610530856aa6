// What the tests of checkpoints share: a scratch folder, a state cut over ranks, damage.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "host/checkpoint/checkpoint.h"
#include "trainhost/error.h"

namespace trainhost::testing {

class Scratch {
 public:
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// Logical tensors by name.
using State = std::map<std::string, at::Tensor>;

/// Parameters, optimizer states and counts of several types and shapes; other values for each seed.
State some_state(int seed);
/// The same names, shapes and types, all zero.
State zeros_like(const State& state);

/// What rank `rank` of `world` holds: every tensor cut into `world` uneven slices, flat views of
/// it; world 1 holds all.
std::vector<StateSlice> slices_of(const State& state, int rank, int world);

checkpoint::Position some_position(std::int64_t step);
checkpoint::Identity some_identity(int world = 1);

/// Saves with `world` ranks, each a thread; replicated: each holds all.
void save(const std::string& folder, const State& state, std::int64_t step, int world = 1,
          bool replicated = false);
/// Loads into zeros with `world` ranks, one after the other.
State load(const std::string& folder, const State& like, int world = 1);

bool equal(const State& left, const State& right);

std::string read(const std::string& file);
void write(const std::string& file, const std::string& text);
/// Flips bit `bit` of byte `at`, counted from the end where negative.
void flip(const std::string& file, std::int64_t at, int bit = 0);

/// The text of the Error that `function` throws; fails the test where it throws none of kind
/// `failure`.
std::string refusal(Failure failure, const std::function<void()>& function);

/// Lowers the size that files may have in this process (and those it starts), and lifts it again.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(std::int64_t bytes);
  ~FileSizeLimit();
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  std::uint64_t before_ = 0;
  void (*handler_)(int) = nullptr;
};

}  // namespace trainhost::testing
