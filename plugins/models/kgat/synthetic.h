// A made-up data set whose structure can be learned, for when no data is at hand.
#pragma once

#include <cstdint>

#include "dataset.h"

namespace kgat {

struct SyntheticOptions {
  std::int32_t n_users = 2000, n_items = 1000;
  std::int32_t n_entities = 2000;  // items included
  std::int32_t n_relations = 6;    // of the knowledge graph, without inverses
  std::int64_t n_triples = 8000;
  std::int64_t n_interactions = 40000;  // train and test together
  std::int32_t n_communities = 20;
  double loyalty = 0.85;       // share of a user's choices that fall into their community
  double test_fraction = 0.2;  // of each user's items
  SplitOptions split{};
  std::uint64_t seed = 0;
};

/// Users and items live in communities; a user chooses mostly within their own, popular items more
/// often, and attributes (entities beyond the items) belong to communities too: so neighbours in
/// the graph tell what a user likes, which popularity cannot. Counts are met as closely as distinct
/// triples and items allow. The content is a function of the options alone.
/// Throws trainhost::Error (kUser) for counts that make no data set.
Dataset make_synthetic(const SyntheticOptions& options);

/// The counts of amazon-book (Wang et al. 2019, table 1) divided by `scale`.
SyntheticOptions amazon_book_shape(std::int32_t scale, std::uint64_t seed);

}  // namespace kgat
