#include "gpu/plan.h"

#include <set>

#include "gpu/kernels.h"
#include "samplers.h"
#include "support.h"

namespace {

using namespace kgat;
using namespace kgat::testing;

std::vector<std::int32_t> list(const at::Tensor& packed, gpu::Range range) {
  const auto* data = packed.const_data_ptr<std::int32_t>() + range.begin;
  return {data, data + range.size};
}

TEST_CASE("gpu: long rows are cut into segments that cover them") {
  const Graph graph = Graph::build(random_dataset(900, 40, 100, true, 2));
  const Level level = Level::everything(graph);
  const gpu::LongRows rows = gpu::LongRows::of(graph, level);
  REQUIRE(!rows.rows.empty());
  std::size_t found = 0;
  for (std::int32_t node = 0; node < graph.n_nodes; ++node) {
    if (graph.degree(node) <= gpu::kSegment) continue;
    REQUIRE(rows.rows[found] == node);
    const std::int32_t segments = rows.first_segment[found + 1] - rows.first_segment[found];
    CHECK(segments * gpu::kSegment >= graph.degree(node));
    CHECK((segments - 1) * gpu::kSegment < graph.degree(node));
    ++found;
  }
  CHECK(found == rows.rows.size());
  CHECK(rows.segment_owner.size() == static_cast<std::size_t>(rows.first_segment.back()));
}

TEST_CASE("gpu: the plan of a KG batch holds every sample once, by relation") {
  const Graph graph = Graph::build(random_dataset(300, 80, 200, true, 1));
  KgBatch batch;
  KgSampler(graph, 1).sample(0, 0, 500, batch);
  const gpu::KgPlan plan = gpu::KgPlan::make(batch, graph.n_relations, false);
  const auto nodes = list(plan.packed, plan.nodes), relations = list(plan.packed, plan.relation_of);
  using Sample = std::array<std::int32_t, 4>;
  std::multiset<Sample> expected, found;
  for (std::size_t b = 0; b < batch.heads.size(); ++b) {
    expected.insert(
        Sample{batch.relations[b], batch.heads[b], batch.positives[b], batch.negatives[b]});
    found.insert(Sample{relations[b], nodes[3 * b], nodes[3 * b + 1], nodes[3 * b + 2]});
  }
  CHECK(found == expected);
  CHECK(std::is_sorted(relations.begin(), relations.end()));

  for (const auto& [range, most] :
       {std::pair{plan.blocks, gpu::kTileRows}, {plan.pieces, gpu::kPieceRows}}) {
    const auto blocks = list(plan.packed, range);
    std::int32_t end = 0;
    for (std::size_t i = 0; i < blocks.size(); i += 3) {
      CHECK(blocks[i] == end);
      end = blocks[i + 1];
      CHECK(end - blocks[i] <= most);
      CHECK(relations[blocks[i] / 3] == blocks[i + 2]);
      CHECK(relations[(end - 1) / 3] == blocks[i + 2]);
    }
    CHECK(end == 1500);
  }
  const auto distinct = list(plan.packed, plan.distinct), offsets = list(plan.packed, plan.offsets),
             places = list(plan.packed, plan.occurrences);
  CHECK(std::set<std::int32_t>(nodes.begin(), nodes.end()).size() == distinct.size());
  for (std::size_t row = 0; row < distinct.size(); ++row) {
    for (std::int32_t i = offsets[row]; i < offsets[row + 1]; ++i) {
      CHECK(nodes[places[i]] == distinct[row]);
      if (i > offsets[row]) CHECK(places[i] > places[i - 1]);
    }
  }
}

}  // namespace
