// Dataset: the three files of a knowledge-aware recommendation data set, checked against each
// other.
#pragma once

#include <cstdint>
#include <filesystem>

#include "interactions.h"
#include "triples.h"

namespace kgat {

/// Purpose: all that KGAT learns from and is judged by. Owner: owns its arrays.
/// Threads and ranks: immutable after it was built; equal on all ranks.
struct Dataset {
  Interactions train;       // the training graph and the samplers see these alone
  Interactions validation;  // held out of train; empty unless asked for
  Interactions test;
  Triples triples;
  std::int32_t n_users = 0, n_items = 0, n_entities = 0;  // items are the entities 0 .. n_items-1

  /// What a user is known to have chosen: train and validation, masked when ranking for the test.
  Interactions known() const { return merge(train, validation); }
};

struct SplitOptions {
  double validation = 0;  // share of train that is held out; 0 for none
  std::uint64_t seed = 0;
};

/// Reads train.txt, test.txt and kg_final.txt of a folder. n_users and n_items span train and test,
/// n_entities = max(item id, id in the knowledge graph) + 1.
/// Throws trainhost::Error (kUser) with file and line.
Dataset read_dataset(const std::filesystem::path& folder, const SplitOptions& split = {});

/// The same from parts in memory: counts and the validation split.
Dataset make_dataset(Interactions train, Interactions test, Triples triples, std::int32_t n_items,
                     const SplitOptions& split = {});

/// A hash of the content (not of files, names or order), for caches.
std::uint64_t content_hash(const Dataset& data);

}  // namespace kgat
