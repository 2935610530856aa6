// BPR-MF: matrix factorisation trained on pairs (Rendle et al., "BPR: Bayesian Personalized Ranking
// from Implicit Feedback", UAI 2009). KGAT's published results start from its embeddings.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "interactions.h"

namespace kgat {

struct BprOptions {
  std::int32_t dim = 64;
  std::int32_t epochs = 100;  // an epoch is one draw for each training interaction
  double lr = 0.1;            // decays linearly to a tenth
  double decay = 0.03;        // of the squared norms
  double deviation = 0.1;     // of the initial values
  std::uint64_t seed = 0;
};

struct BprEmbeddings {
  std::int32_t n_users = 0, n_items = 0, dim = 0;
  std::vector<float> users, items;  // [n_users, dim], [n_items, dim]
};

/// Told after each epoch: how many are done, and of how many.
using BprProgress = std::function<void(std::int32_t done, std::int32_t total)>;

/// Trains from scratch, one thread learning sample by sample (all threads draw them): the result is
/// a function of the data and the options alone.
BprEmbeddings train_bprmf(const Interactions& train, std::int32_t n_items,
                          const BprOptions& options, const BprProgress& progress = {});

/// Purpose: trained embeddings in a folder, named by what they were made of (data, options, version
/// of this code). Owner: nothing. Threads and ranks: one rank trains and stores, the others load.
class BprCache {
 public:
  BprCache(const std::filesystem::path& folder, std::uint64_t data_hash, const BprOptions& options);

  const std::filesystem::path& file() const { return file_; }
  /// False where there is no file, or one that is cut, damaged or of other data.
  bool load(BprEmbeddings& out) const;
  /// Written aside, then renamed: a reader never sees a part of it.
  void store(const BprEmbeddings& embeddings) const;

 private:
  std::uint64_t key_;
  std::filesystem::path file_;
};

}  // namespace kgat
