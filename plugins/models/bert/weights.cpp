#include "bert/weights.h"

#include <ATen/ops/empty.h>

#include <cmath>
#include <filesystem>

#include "trainhost/error.h"
#include "trainhost/random.h"

namespace bert {
namespace {

using trainhost::Error;
using trainhost::Failure;
using trainhost::Initializer;
using trainhost::Random;

std::string text_of(at::IntArrayRef shape) {
  std::string out = "[";
  for (const std::int64_t size : shape) {
    out += (out.size() > 1 ? ", " : "") + std::to_string(size);
  }
  return out + "]";
}

bool is_matrix(const Parameter& parameter) { return parameter.shape.size() > 1; }
bool is_norm_weight(const Parameter& parameter) {
  return parameter.name.find("LayerNorm.weight") != std::string::npos;
}

/// Rows of pairs (Box and Muller 1958), each row from its own counter.
Initializer normal(const Parameter& parameter, double deviation, std::uint64_t seed) {
  return [=](at::Tensor& out) {
    const Random random(seed, "bert.init." + parameter.unit + "/" + parameter.name);
    const at::Tensor values = at::empty(parameter.shape, at::TensorOptions(at::kFloat));
    const std::int64_t rows = parameter.shape[0], columns = parameter.shape[1];
    float* value = values.mutable_data_ptr<float>();
    const auto scale = static_cast<float>(deviation);
#pragma omp parallel for
    for (std::int64_t row = 0; row < rows; ++row) {
      auto cursor = random.at(0, 0, static_cast<std::uint64_t>(row));
      for (std::int64_t c = 0; c < columns; c += 2) {
        const float radius = scale * std::sqrt(-2 * std::log(1 - cursor.uniform()));
        const float angle = 6.2831853F * cursor.uniform();
        value[row * columns + c] = radius * std::cos(angle);
        if (c + 1 < columns) value[row * columns + c + 1] = radius * std::sin(angle);
      }
    }
    out.copy_(values);
  };
}

}  // namespace

Weights Weights::from_seed(const Config& config, std::uint64_t seed) { return {config, seed}; }

Weights Weights::from_directory(const Config& config, const std::string& folder,
                                std::uint64_t seed) {
  const std::string path = (std::filesystem::path(folder) / "model.safetensors").string();
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) {
    throw Error(Failure::kUser, {.where = folder,
                                 .what = "no weights that can be read here",
                                 .expected = "one file model.safetensors",
                                 .got = "no such file",
                                 .fix = "load the model in Python and save_pretrained(DIR, "
                                        "safe_serialization=True) it in one file"});
  }
  Weights out(config, seed);
  out.open(path);
  return out;
}

void Weights::open(const std::string& path) {
  file_ = std::make_shared<const trainhost::SafetensorsReader>(path);
  const std::vector<HfTensor> tensors = hf_tensors(config_);
  if (!file_->has(tensors.front().name) && file_->has("bert." + tensors.front().name)) {
    prefix_ = "bert.";
  }
  has_pooler_ = file_->has(prefix_ + "pooler.dense.weight");
  for (const HfTensor& tensor : tensors) {
    if (has_pooler_ || tensor.unit != pooler_unit(config_)) check(tensor);
  }
}

void Weights::check(const HfTensor& tensor) const {
  const std::string name = prefix_ + tensor.name;
  const std::string where = file_->path() + ", tensor '" + name + "'";
  if (!file_->has(name)) {
    throw Error(Failure::kUser,
                {.where = where,
                 .what = "the tensor is missing",
                 .expected = text_of(tensor.shape) + " as config.json says",
                 .got = "no such tensor",
                 .fix = "is this the encoder that config.json describes, under Hugging Face's "
                        "names?"});
  }
  const at::Tensor found = file_->tensor(name);
  const auto type = found.scalar_type();
  if (found.sizes() == at::IntArrayRef(tensor.shape) &&
      (type == at::kFloat || type == at::kHalf || type == at::kBFloat16)) {
    return;
  }
  throw Error(Failure::kUser,
              {.where = where,
               .what = "the tensor does not fit config.json",
               .expected = "fp32, fp16 or bf16 " + text_of(tensor.shape),
               .got = std::string(c10::toString(type)) + " " + text_of(found.sizes()),
               .fix = {}});
}

Initializer Weights::initializer(int unit, std::size_t parameter) const {
  const Parameter declared = parameters_of(config_, unit)[parameter];
  if (file_ == nullptr || (unit == pooler_unit(config_) && !has_pooler_)) {
    if (is_matrix(declared)) return normal(declared, config_.initializer_range, seed_);
    const double value = is_norm_weight(declared) ? 1 : 0;
    return [value](at::Tensor& out) { out.fill_(value); };
  }
  std::vector<HfTensor> parts;
  for (const HfTensor& tensor : hf_tensors(config_)) {
    if (tensor.unit == unit && tensor.parameter == parameter) parts.push_back(tensor);
  }
  return [parts, file = file_, prefix = prefix_](at::Tensor& out) {
    for (const HfTensor& part : parts) {
      out.narrow(0, part.first_row, part.shape[0]).copy_(file->tensor(prefix + part.name));
      file->release(prefix + part.name);
    }
  };
}

}  // namespace bert
