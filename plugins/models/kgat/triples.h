// Triples: the knowledge graph as it was written.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace kgat {

struct Triple {
  std::int32_t head = 0, relation = 0, tail = 0;
  friend auto operator<=>(const Triple&, const Triple&) = default;
};

/// Purpose: distinct triples, sorted by (head, relation, tail), and the counts that they imply.
/// Owner: owns its array. Threads: immutable after it was built.
struct Triples {
  std::vector<Triple> rows;
  std::int32_t n_entities = 0;   // largest head or tail + 1
  std::int32_t n_relations = 0;  // largest relation + 1
};

/// Reads `head relation tail`, one a line; duplicates are dropped. A file without triples is
/// accepted. Throws trainhost::Error (kUser) with file and line.
Triples read_triples(const std::filesystem::path& path);

/// Sorts, drops duplicates and counts.
Triples make_triples(std::vector<Triple> rows);

}  // namespace kgat
