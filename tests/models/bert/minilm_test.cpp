// The encoder with real weights: all-MiniLM-L6-v2 gives sentence-transformers' embeddings.
// golden/make_minilm.py makes the folder that TRAINHOST_MINILM names.
#include <cstdlib>

#include "bert/pooling.h"
#include "encoder_support.h"
#include "trainhost/safetensors.h"

namespace {

using namespace bert;
using namespace bert::testing;

}  // namespace

TEST_CASE("MiniLM's embeddings of 1,000 sentences equal sentence-transformers'") {
  const char* folder = std::getenv("TRAINHOST_MINILM");
  if (folder == nullptr) {
    WARN("skipped: TRAINHOST_MINILM names no folder of golden/make_minilm.py");
    return;
  }
  const Config config = Config::from_file(std::string(folder) + "/config.json");
  const trainhost::SafetensorsReader expected(std::string(folder) + "/expected.safetensors");
  const Encoder encoder(config, 0);
  trainhost::ModelSpec spec;
  encoder.declare(Weights::from_directory(config, folder, 1), spec);
  Alone execution(spec, false);
  const at::Tensor ids = expected.tensor("ids"), lengths = expected.tensor("lengths");
  std::vector<std::span<const std::int32_t>> texts;
  std::vector<std::uint64_t> keys;
  std::int64_t first = 0;
  for (std::int64_t i = 0; i < lengths.numel(); ++i) {
    const auto length = lengths[i].item<std::int64_t>();
    texts.emplace_back(ids.const_data_ptr<std::int32_t>() + first, length);
    keys.push_back(static_cast<std::uint64_t>(i));
    first += length;
  }
  const at::NoGradGuard no_graph;
  const Packed packed = pack(texts, keys);
  const at::Tensor embeddings =
      pool(encoder.encode(packed, 0, execution), packed, Pooling::kMean, true);
  const at::Tensor distance = (embeddings - expected.tensor("embeddings")).abs().max();
  CHECK(lengths.numel() == 1000);
  CHECK(distance.item<double>() < 1e-5);
}
