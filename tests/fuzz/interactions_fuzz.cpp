// train.txt and test.txt of KGAT: plugins/models/kgat/interactions.h.
#include <numeric>

#include "fuzz.h"
#include "interactions.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace fuzz = trainhost::fuzz;
  const fuzz::MemoryFile file(data, size);
  fuzz::accepts([&] {
    const kgat::InteractionFile read = kgat::read_interactions(file.path());
    for (std::int32_t user = 0; user < read.rows.n_users(); ++user) {
      const auto row = read.rows.of(user);
      fuzz::promise(std::adjacent_find(row.begin(), row.end(), std::greater_equal<>()) == row.end(),
                    "the items of a user are sorted and distinct");
      fuzz::promise(row.empty() || (row.front() >= 0 && row.back() < read.n_items),
                    "items lie below n_items");
    }
    const auto [kept, held] = kgat::split_validation(read.rows, 0.1, 1);
    const kgat::Interactions both = kgat::merge(kept, held);
    fuzz::promise(both.offsets == read.rows.offsets && both.items == read.rows.items,
                  "the two parts of a split are the whole");
  });
  return 0;
}
