#include "bert/weights.h"

#include <ATen/ops/equal.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>

#include <filesystem>
#include <set>

#include "encoder_support.h"
#include "trainhost/error.h"

namespace {

using namespace bert;
using namespace bert::testing;
using Catch::Contains;
using trainhost::NamedTensor;

Config tiny() {
  Config config;
  config.vocabulary = 11;
  config.hidden = 8;
  config.heads = 2;
  config.intermediate = 12;
  config.layers = 2;
  config.positions = 6;
  return config;
}

/// A directory with a model.safetensors that is gone with it.
class Folder {
 public:
  Folder() : path_(std::filesystem::temp_directory_path() / "bert_weights_XXXXXX") {
    std::string name = path_.string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string text() const { return path_.string(); }
  void write(const std::vector<NamedTensor>& tensors) const {
    trainhost::write_safetensors((path_ / "model.safetensors").string(), tensors,
                                 {{"format", "pt"}});
  }

 private:
  std::filesystem::path path_;
};

std::vector<NamedTensor> random_tensors(const std::string& prefix,
                                        at::ScalarType type = at::kFloat) {
  std::vector<NamedTensor> out;
  for (const HfTensor& tensor : hf_tensors(tiny())) {
    out.push_back(
        {prefix + tensor.name, at::randn(tensor.shape, at::TensorOptions(at::kFloat)).to(type)});
  }
  return out;
}

at::Tensor filled(const Weights& weights, int unit, std::size_t parameter) {
  const auto shape = parameters_of(tiny(), unit)[parameter].shape;
  at::Tensor out = at::empty(shape, at::TensorOptions(at::kFloat));
  weights.initializer(unit, parameter)(out);
  return out;
}

}  // namespace

TEST_CASE("every tensor of a BertModel is some rows of one of our parameters, and all rows are") {
  const Config config = tiny();
  const std::vector<HfTensor> tensors = hf_tensors(config);
  CHECK(tensors.size() == 5 + 2 * 16 + 2);
  std::set<std::string> names;
  std::map<std::pair<int, std::size_t>, std::int64_t> rows;
  for (const HfTensor& tensor : tensors) {
    CHECK(names.insert(tensor.name).second);
    CHECK(tensor.first_row == rows[{tensor.unit, tensor.parameter}]);
    rows[{tensor.unit, tensor.parameter}] += tensor.shape[0];
  }
  for (const auto& [place, count] : rows) {
    CHECK(parameters_of(config, place.first)[place.second].shape[0] == count);
  }
  Config minilm;
  minilm.layers = 6;
  CHECK(hf_tensors(minilm).size() == 103);
  CHECK(hf_tensors({}).size() == 199);
}

TEST_CASE("a directory's tensors arrive, whatever their type and prefix") {
  const auto type = GENERATE(at::kFloat, at::kHalf, at::kBFloat16);
  const std::string prefix = GENERATE("", "bert.");
  const Folder folder;
  auto tensors = random_tensors(prefix, type);
  tensors.push_back({prefix + "embeddings.position_ids", at::zeros({1, 6}, at::kLong)});
  folder.write(tensors);
  const Weights weights = Weights::from_directory(tiny(), folder.text(), 1);
  CHECK(weights.has_pooler());
  const std::vector<HfTensor> named = hf_tensors(tiny());
  for (std::size_t i = 0; i < named.size(); ++i) {
    INFO(named[i].name);
    const at::Tensor whole = filled(weights, named[i].unit, named[i].parameter);
    CHECK(at::equal(whole.narrow(0, named[i].first_row, named[i].shape[0]),
                    tensors[i].tensor.to(at::kFloat)));
  }
}

TEST_CASE("a missing pooler starts as from the seed and is remembered") {
  const Folder folder;
  auto tensors = random_tensors("");
  tensors.resize(tensors.size() - 2);
  folder.write(tensors);
  const Weights weights = Weights::from_directory(tiny(), folder.text(), 4);
  CHECK(!weights.has_pooler());
  const Weights seeded = Weights::from_seed(tiny(), 4);
  const int pooler = pooler_unit(tiny());
  CHECK(at::equal(filled(weights, pooler, kPooler), filled(seeded, pooler, kPooler)));
}

TEST_CASE("a tensor that is missing or does not fit is named with both shapes") {
  const Folder folder;
  auto tensors = random_tensors("");
  SECTION("missing") {
    tensors.erase(tensors.begin() + 7);
    folder.write(tensors);
    CHECK_THROWS_WITH(Weights::from_directory(tiny(), folder.text(), 1),
                      Contains("model.safetensors") && Contains(hf_tensors(tiny())[7].name) &&
                          Contains("missing"));
  }
  SECTION("another shape") {
    tensors[0].tensor = at::zeros({12, 8}, at::kFloat);
    folder.write(tensors);
    CHECK_THROWS_WITH(Weights::from_directory(tiny(), folder.text(), 1),
                      Contains("word_embeddings") && Contains("[11, 8]") && Contains("[12, 8]"));
  }
  SECTION("another type") {
    tensors[0].tensor = at::zeros({11, 8}, at::kLong);
    folder.write(tensors);
    CHECK_THROWS_WITH(Weights::from_directory(tiny(), folder.text(), 1), Contains("Long"));
  }
  SECTION("no file") {
    CHECK_THROWS_WITH(Weights::from_directory(tiny(), folder.text(), 1),
                      Contains("save_pretrained"));
  }
}

TEST_CASE("random weights are normal, keyed by name and seed") {
  Config config = tiny();
  config.vocabulary = 2000;
  const Weights weights = Weights::from_seed(config, 3), other = Weights::from_seed(config, 4);
  const auto fill = [&](const Weights& from, std::size_t parameter,
                        std::vector<std::int64_t> shape) {
    at::Tensor out = at::empty(shape, at::TensorOptions(at::kFloat));
    from.initializer(kEmbeddingUnit, parameter)(out);
    return out;
  };
  const at::Tensor words = fill(weights, kWords, {2000, 8});
  CHECK(words.mean().item<double>() == Approx(0).margin(0.001));
  CHECK(words.std().item<double>() == Approx(0.02).epsilon(0.03));
  CHECK(at::equal(words, fill(weights, kWords, {2000, 8})));
  CHECK(!at::equal(words, fill(other, kWords, {2000, 8})));
  CHECK(fill(weights, kEmbeddingNorm, {8}).eq(1).all().item<bool>());
  CHECK(fill(weights, kEmbeddingNormBias, {8}).eq(0).all().item<bool>());
}
