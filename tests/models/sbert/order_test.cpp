// The order of batches: every row once, the same for everybody, and what each arrangement promises.
#include "sbert/order.h"

#include <algorithm>
#include <map>
#include <set>
#include <thread>

#include "data_support.h"

namespace {

using namespace sbert;
using namespace sbert::testing;

/// `rows` rows of one text each, of 1 to 20 letters, no two alike.
TrainingSet distinct_set(std::int64_t rows, std::uint64_t seed = 1) {
  auto draws = trainhost::Random(seed, "test").at(0, 0, 0);
  std::vector<std::string> texts;
  for (std::int64_t row = 0; row < rows; ++row) {
    std::string text;
    for (std::int64_t number = row; number > 0 || text.empty(); number /= 26) {
      text += static_cast<char>('a' + number % 26);
      text += ' ';
    }
    for (std::uint32_t more = draws.bounded(16); more > 0; --more) text += "z ";
    texts.push_back("y " + text);
  }
  return tokenised(1, texts, {}, letters(), 64, 1);
}

/// `rows` pairs of which each text is one of `texts`.
TrainingSet repeating_set(std::int64_t rows, std::uint32_t texts, std::uint64_t seed = 1) {
  auto draws = trainhost::Random(seed, "test").at(0, 0, 0);
  std::vector<std::string> all;
  for (std::int64_t i = 0; i < 2 * rows; ++i) {
    std::string text = "x";
    for (std::uint32_t number = draws.bounded(texts) + 1; number > 0; number /= 26) {
      text += std::string(" ") + static_cast<char>('a' + number % 26);
    }
    all.push_back(text);
  }
  return tokenised(2, all, {}, letters(), 64, 1);
}

Order order_of(std::vector<OrderedSet> sets, Mix mix = Mix::kProportional, bool drop_last = false,
               std::uint64_t seed = 5) {
  return Order(std::move(sets), mix, drop_last, seed);
}

Chosen whole(const Order& order, std::int64_t epoch, std::int64_t step, std::int64_t effective) {
  return order.choose(epoch, step, effective, 0, order.rows(epoch, step, effective));
}

/// All rows of an epoch in order, of each set.
std::map<std::int64_t, std::vector<std::int64_t>> rows_of(const Order& order, std::int64_t epoch,
                                                          std::int64_t effective) {
  std::map<std::int64_t, std::vector<std::int64_t>> out;
  for (std::int64_t step = 0; step < order.steps(epoch, effective); ++step) {
    const Chosen chosen = whole(order, epoch, step, effective);
    CHECK(!chosen.rows.empty());
    CHECK(static_cast<std::int64_t>(chosen.rows.size()) <= effective);
    auto& rows = out[chosen.set];
    rows.insert(rows.end(), chosen.rows.begin(), chosen.rows.end());
  }
  return out;
}

bool each_once(std::vector<std::int64_t> rows, std::int64_t count) {
  std::sort(rows.begin(), rows.end());
  if (static_cast<std::int64_t>(rows.size()) != count) return false;
  for (std::int64_t i = 0; i < count; ++i) {
    if (rows[static_cast<std::size_t>(i)] != i) return false;
  }
  return true;
}

TEST_CASE("every arrangement takes every row once an epoch, in an order of its own each time") {
  for (const Arrangement arrangement :
       {Arrangement::kRandom, Arrangement::kLength, Arrangement::kNoDuplicates}) {
    for (const std::int64_t rows : {1, 7, 64, 1003}) {
      const Order order = order_of({{distinct_set(rows), arrangement}});
      CHECK(order.steps(0, 8) == (rows + 7) / 8);
      const auto first = rows_of(order, 0, 8)[0];
      CHECK(each_once(first, rows));
      CHECK(each_once(rows_of(order, 1, 8)[0], rows));
      if (rows == 1003) {
        CHECK(rows_of(order, 1, 8)[0] != first);
        CHECK(rows_of(order_of({{distinct_set(rows), arrangement}}, Mix::kProportional, false, 6),
                      0, 8)[0] != first);
      }
    }
  }
}

TEST_CASE("the order is the same for any slicing, any instance and any history") {
  const auto make = [] {
    return order_of({{distinct_set(300), Arrangement::kLength},
                     {repeating_set(200, 60), Arrangement::kNoDuplicates}});
  };
  const Order one = make(), two = make();
  for (const std::int64_t epoch : {4, 0, 9, 2, 4}) two.steps(epoch, 32);  // more than are kept
  for (const std::int64_t epoch : {0, 1, 4}) {
    for (std::int64_t step = 0; step < one.steps(epoch, 32); ++step) {
      const Chosen all = whole(one, epoch, step, 32);
      std::vector<std::int64_t> joined;
      for (std::int64_t begin = 0; begin < 32; begin += 7) {
        const Chosen part =
            two.choose(epoch, step, 32, begin, std::min<std::int64_t>(begin + 7, 32));
        CHECK(part.set == all.set);
        joined.insert(joined.end(), part.rows.begin(), part.rows.end());
      }
      CHECK(joined == all.rows);
    }
  }
  CHECK(one.choose(0, 0, 32, 5, 5).rows.empty());
}

TEST_CASE("threads that ask at once get the same") {
  const Order order = order_of({{distinct_set(2000)}});
  const Order alone = order_of({{distinct_set(2000)}});
  std::vector<int> wrong(4, 0);
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < wrong.size(); ++i) {
      threads.emplace_back([&, i] {
        for (std::int64_t at = 0; at < 200; ++at) {
          const std::int64_t epoch = (at + static_cast<std::int64_t>(i)) % 7, step = at % 60;
          if (whole(order, epoch, step, 32).rows != alone.choose(epoch, step, 32, 0, 32).rows) {
            ++wrong[i];
          }
        }
      });
    }
  }
  CHECK(wrong == std::vector<int>(4, 0));
}

TEST_CASE("steps that are counted are those that are made") {
  for (const Mix mix : {Mix::kProportional, Mix::kRoundRobin, Mix::kInTurn}) {
    for (const bool drop_last : {false, true}) {
      for (const double weight : {0.0, 3.0}) {
        std::vector<OrderedSet> sets = {{distinct_set(100)},
                                        {distinct_set(31), Arrangement::kLength}};
        sets[1].weight = weight;
        const Order order = order_of(sets, mix, drop_last);
        for (const std::int64_t epoch : {0, 1, 2}) {
          const std::int64_t steps = order.steps(epoch, 8);
          CHECK(order.rows(epoch, steps - 1, 8) > 0);
          CHECK_THROWS_AS(order.rows(epoch, steps, 8), std::out_of_range);
        }
      }
    }
  }
}

TEST_CASE("drop_last leaves the small batch out") {
  const Order order = order_of({{distinct_set(21)}}, Mix::kProportional, true);
  CHECK(order.steps(0, 8) == 2);
  CHECK(rows_of(order, 0, 8)[0].size() == 16);
  CHECK(has(error_of([&] { order.steps(0, 22); }), "an epoch has no step of 22 rows"));
  CHECK(has(error_of([] { order_of({}); }), "no set to train on"));
}

TEST_CASE("length: a batch's rows are of similar length") {
  const TrainingSet set = distinct_set(4000);
  const auto spread = [&](Arrangement arrangement) {
    const Order order = order_of({{set, arrangement}});
    double padded = 0, real = 0;
    for (std::int64_t step = 0; step < order.steps(0, 16); ++step) {
      std::int64_t longest = 0;
      const Chosen chosen = whole(order, 0, step, 16);
      for (const std::int64_t row : chosen.rows) {
        longest = std::max(longest, set.length(row));
        real += static_cast<double>(set.length(row));
      }
      padded += static_cast<double>(longest) * static_cast<double>(chosen.rows.size());
    }
    return padded / real;
  };
  CHECK(spread(Arrangement::kRandom) > 1.4);
  CHECK(spread(Arrangement::kLength) < 1.06);

  // Batches do not come sorted, and the halves of a batch are alike.
  const Order order = order_of({{set, Arrangement::kLength}});
  int falls = 0;
  std::int64_t last = 0, halves = 0;
  for (std::int64_t step = 0; step < order.steps(0, 512); ++step) {
    const Chosen chosen = whole(order, 0, step, 512);
    std::int64_t total = 0;
    for (std::size_t i = 0; i < chosen.rows.size(); ++i) {
      total += set.length(chosen.rows[i]);
      halves +=
          i < chosen.rows.size() / 2 ? set.length(chosen.rows[i]) : -set.length(chosen.rows[i]);
    }
    falls += total < last ? 1 : 0;
    last = total;
  }
  CHECK(falls > 1);
  CHECK(std::abs(halves) < 600);
}

/// The largest number of rows of a batch that share a text.
std::int64_t worst_repetition(const TrainingSet& set, const std::vector<std::int64_t>& rows) {
  std::map<std::vector<std::int32_t>, std::int64_t> seen;
  for (const std::int64_t row : rows) {
    std::set<std::vector<std::int32_t>> own;
    for (std::int64_t column = 0; column < set.columns(); ++column) {
      const auto ids = set.tokens(row, column);
      own.insert({ids.begin(), ids.end()});
    }
    for (const auto& text : own) ++seen[text];
  }
  std::int64_t worst = 0;
  for (const auto& [text, count] : seen) worst = std::max(worst, count);
  return worst;
}

TEST_CASE("no_duplicates: no text of any column is in two rows of a batch") {
  for (const std::uint32_t texts : {40U, 200U, 2000U}) {
    const TrainingSet set = repeating_set(1000, texts);
    const Order order = order_of({{set, Arrangement::kNoDuplicates}});
    const Order random = order_of({{set}});
    std::int64_t worst = 0, worst_random = 0, full = 0;
    for (std::int64_t step = 0; step < order.steps(3, 16); ++step) {
      const Chosen chosen = whole(order, 3, step, 16);
      worst = std::max(worst, worst_repetition(set, chosen.rows));
      full += chosen.rows.size() == 16 ? 1 : 0;
    }
    for (std::int64_t step = 0; step < random.steps(3, 16); ++step) {
      worst_random = std::max(worst_random, worst_repetition(set, whole(random, 3, step, 16).rows));
    }
    INFO(texts << " texts, " << order.steps(3, 16) << " steps, " << full << " full");
    CHECK(worst == 1);
    CHECK(worst_random > 1);
    CHECK(each_once(rows_of(order, 3, 16)[0], 1000));
    if (texts >= 200) CHECK(full >= 50);  // of 62.5: few batches are small
  }
}

TEST_CASE("no_duplicates: one text in all rows makes batches of one row") {
  const TrainingSet set = tokenised(1, std::vector<std::string>(9, "a"), {}, letters(), 8, 1);
  const Order order = order_of({{set, Arrangement::kNoDuplicates}});
  CHECK(order.steps(0, 4) == 9);
  const Order dropping = order_of({{set, Arrangement::kNoDuplicates}}, Mix::kProportional, true);
  CHECK(has(error_of([&] { dropping.steps(0, 4); }), "no step"));
  // Within a row a text may stand twice.
  const TrainingSet same =
      tokenised(2, std::vector<std::string>{"a", "a", "b", "b"}, {}, letters(), 8, 1);
  CHECK(order_of({{same, Arrangement::kNoDuplicates}}).steps(0, 4) == 1);
}

TEST_CASE("proportional: all rows of all sets, a step from one set") {
  const Order order = order_of({{distinct_set(160)}, {distinct_set(40)}, {distinct_set(5)}});
  CHECK(order.steps(0, 8) == 20 + 5 + 1);
  auto rows = rows_of(order, 0, 8);
  CHECK(each_once(rows[0], 160));
  CHECK(each_once(rows[1], 40));
  CHECK(each_once(rows[2], 5));
  const auto turns = [&](std::int64_t epoch) {
    std::vector<std::int64_t> out;
    for (std::int64_t step = 0; step < 26; ++step) out.push_back(whole(order, epoch, step, 8).set);
    return out;
  };
  CHECK(!std::is_sorted(turns(0).begin(), turns(0).end()));
  CHECK(turns(0) != turns(1));
}

TEST_CASE("proportional with weights: steps by weight, a set is used anew or cut short") {
  std::vector<OrderedSet> sets = {{distinct_set(160)}, {distinct_set(40)}};
  sets[0].weight = 1, sets[1].weight = 4;
  const Order order = order_of(sets);
  CHECK(order.steps(0, 8) == 25);
  auto rows = rows_of(order, 0, 8);
  CHECK(rows[0].size() == 40);
  CHECK(rows[1].size() == 160);
  for (std::size_t pass = 0; pass < 4; ++pass) {
    const auto begin = rows[1].begin() + static_cast<std::ptrdiff_t>(40 * pass);
    CHECK(each_once({begin, begin + 40}, 40));
  }
  CHECK(std::vector(rows[1].begin(), rows[1].begin() + 40) !=
        std::vector(rows[1].begin() + 40, rows[1].begin() + 80));
  CHECK(rows_of(order, 1, 8)[0] != rows[0]);
}

TEST_CASE("round robin: in turn until the first set is used up") {
  const Order order = order_of({{distinct_set(160)}, {distinct_set(20)}}, Mix::kRoundRobin);
  CHECK(order.steps(0, 8) == 6);
  for (std::int64_t step = 0; step < 6; ++step) {
    const Chosen chosen = whole(order, 0, step, 8);
    CHECK(chosen.set == step % 2);
    CHECK(chosen.rows.size() == (step == 5 ? 4 : 8));
  }
}

TEST_CASE("in turn: each set for its epochs") {
  std::vector<OrderedSet> sets = {{distinct_set(16)}, {distinct_set(40)}};
  sets[0].epochs = 2, sets[1].epochs = 3;
  const Order order = order_of(sets, Mix::kInTurn);
  for (std::int64_t epoch = 0; epoch < 7; ++epoch) {
    CHECK(order.steps(epoch, 8) == (epoch < 2 ? 2 : 5));
    CHECK(whole(order, epoch, 0, 8).set == (epoch < 2 ? 0 : 1));
  }
  CHECK(whole(order, 0, 0, 8).rows != whole(order, 1, 0, 8).rows);
}

}  // namespace
