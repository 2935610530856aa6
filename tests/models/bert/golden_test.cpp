// The encoder computes what Hugging Face's BertModel does: hidden states and gradients.
#include <ATen/ops/randn.h>

#include "bert/pooling.h"
#include "encoder_support.h"
#include "trainhost/safetensors.h"

namespace {

using namespace bert;
using namespace bert::testing;

const std::string kFolder = std::string(BERT_GOLDEN_FOLDER) + "/tiny";

Packed golden_sequences(const trainhost::SafetensorsReader& file) {
  const at::Tensor lengths = file.tensor("lengths"), ids = file.tensor("ids").to(at::kInt),
                   types = file.tensor("types").to(at::kByte);
  std::vector<std::span<const std::int32_t>> texts;
  std::vector<std::span<const std::uint8_t>> kinds;
  std::vector<std::uint64_t> keys;
  std::int64_t first = 0;
  for (std::int64_t i = 0; i < lengths.numel(); ++i) {
    const auto length = lengths[i].item<std::int64_t>();
    texts.emplace_back(ids.const_data_ptr<std::int32_t>() + first, length);
    kinds.emplace_back(types.const_data_ptr<std::uint8_t>() + first, length);
    keys.push_back(static_cast<std::uint64_t>(i));
    first += length;
  }
  return pack(texts, keys, kinds);
}

/// How far our gradient is from Hugging Face's, relative to the largest of the whole parameter:
/// that of the keys' bias, a part of one, is zero but for rounding.
double distance(Alone& execution, const HfTensor& tensor, const at::Tensor& expected) {
  const at::Tensor whole = execution.unit(tensor.unit)[tensor.parameter].grad();
  const at::Tensor part = whole.narrow(0, tensor.first_row, tensor.shape[0]);
  return (part - expected).abs().max().item<double>() / whole.abs().max().item<double>();
}

}  // namespace

TEST_CASE("hidden states and gradients are those of Hugging Face's BertModel") {
  const auto kernels = GENERATE(Kernels::kAutomatic, Kernels::kComposed);
  const Config config = Config::from_file(kFolder + "/config.json");
  const trainhost::SafetensorsReader expected(kFolder + "/expected.safetensors");
  const Encoder encoder(config, 0, kernels);
  trainhost::ModelSpec spec;
  encoder.declare(Weights::from_directory(config, kFolder, 1), spec);
  Alone execution(spec, false);
  const at::Tensor hidden = encoder.encode(golden_sequences(expected), 0, execution);
  CHECK(difference(hidden, expected.tensor("hidden")) < 1e-5);
  (hidden * expected.tensor("factors")).sum().backward();
  for (const HfTensor& tensor : hf_tensors(config)) {
    INFO(tensor.name);
    if (tensor.unit == pooler_unit(config)) {
      CHECK(!execution.unit(tensor.unit)[tensor.parameter].grad().defined());
      continue;
    }
    CHECK(distance(execution, tensor, expected.tensor("gradient." + tensor.name)) < 1e-5);
  }
}

TEST_CASE("without gradients the same hidden states come out") {
  const Config config = Config::from_file(kFolder + "/config.json");
  const trainhost::SafetensorsReader expected(kFolder + "/expected.safetensors");
  const Encoder encoder(config, 0);
  trainhost::ModelSpec spec;
  encoder.declare(Weights::from_directory(config, kFolder, 1), spec);
  Alone execution(spec, false);
  const at::NoGradGuard no_graph;
  const at::Tensor hidden = encoder.encode(golden_sequences(expected), 0, execution);
  CHECK(!hidden.requires_grad());
  CHECK(difference(hidden, expected.tensor("hidden")) < 1e-5);
}
