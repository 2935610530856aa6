#include "triples.h"

#include <algorithm>
#include <utility>

#include "text_file.h"

namespace kgat {

Triples make_triples(std::vector<Triple> rows) {
  std::sort(rows.begin(), rows.end());
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  Triples out;
  for (const Triple& triple : rows) {
    out.n_entities = std::max({out.n_entities, triple.head + 1, triple.tail + 1});
    out.n_relations = std::max(out.n_relations, triple.relation + 1);
  }
  out.rows = std::move(rows);
  return out;
}

Triples read_triples(const std::filesystem::path& path) {
  // A relation costs a matrix of dim × dim, so their ids are bounded far below those of entities.
  constexpr std::int32_t kMaxRelations = 65'536;
  TextFile file(path);
  IdRange entities;
  std::vector<Triple> rows;
  while (file.next_line()) {
    const auto& numbers = file.numbers();
    if (numbers.size() != 3) {
      file.fail(file.line(), "a triple needs three fields", "head relation tail",
                std::to_string(numbers.size()) + " fields", "complete or remove this line");
    }
    if (numbers[1] >= kMaxRelations) {
      file.fail(file.line(), "a relation id is too large",
                "relations from 0 to " + std::to_string(kMaxRelations - 1),
                std::to_string(numbers[1]), "number the relations from 0 without gaps");
    }
    entities.add(numbers[0], file.line());
    entities.add(numbers[2], file.line());
    rows.push_back({numbers[0], numbers[1], numbers[2]});
  }
  entities.check(file, "entity", entities.seen());
  return make_triples(std::move(rows));
}

}  // namespace kgat
