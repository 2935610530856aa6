// kg_final.txt of KGAT: plugins/models/kgat/triples.h.
#include <algorithm>

#include "fuzz.h"
#include "triples.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace fuzz = trainhost::fuzz;
  const fuzz::MemoryFile file(data, size);
  fuzz::accepts([&] {
    const kgat::Triples read = kgat::read_triples(file.path());
    fuzz::promise(std::is_sorted(read.rows.begin(), read.rows.end()), "triples are sorted");
    for (const auto& [head, relation, tail] : read.rows) {
      fuzz::promise(head >= 0 && head < read.n_entities && tail >= 0 && tail < read.n_entities &&
                        relation >= 0 && relation < read.n_relations,
                    "ids lie below their counts");
    }
  });
  return 0;
}
