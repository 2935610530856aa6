#include "host/train/trained_model.h"

#include <c10/core/GradMode.h>
#include <c10/util/StringUtil.h>

#include <filesystem>

#include "host/checkpoint/checkpoint.h"
#include "trainhost/error.h"
#include "trainhost/safetensors.h"

namespace trainhost::train {
namespace {

constexpr const char* kParameter = "parameter/";
constexpr const char* kBuffer = "buffer/";

/// The model's own tensors among the slices of a session's state.
std::vector<StateSlice> model_state(StrategySession& session) {
  std::vector<StateSlice> out;
  for (StateSlice& slice : session.state(false)) {
    if (slice.name.starts_with(kParameter) || slice.name.starts_with(kBuffer)) {
      out.push_back(std::move(slice));
    }
  }
  return out;
}

void fill(StateSlice& slice, const SafetensorsReader& file) {
  const std::string name = stored_name(slice.name.substr(slice.name.find('/') + 1));
  const at::Tensor stored = file.has(name) ? file.tensor(name) : at::Tensor();
  if (!stored.defined() || stored.sizes() != at::IntArrayRef(slice.shape) ||
      stored.scalar_type() != slice.data.scalar_type()) {
    throw Error(Failure::kUser,
                {.where = file.path(),
                 .what = "the tensor '" + name + "' is not that of the model as it is now",
                 .expected = c10::str(at::IntArrayRef(slice.shape)),
                 .got = stored.defined() ? c10::str(stored.sizes()) : "no such tensor",
                 .fix = "the model's sizes follow from its data: name the data it was trained on "
                        "with data.dir=DIR"});
  }
  slice.data.copy_(stored.reshape({-1}).narrow(0, slice.offset, slice.data.numel()));
  file.release(name);
}

}  // namespace

std::string stored_name(std::string full_name) {
  const std::size_t slash = full_name.rfind('/');
  if (slash != std::string::npos) full_name[slash] = '.';
  return full_name;
}

std::vector<TensorHeader> tensor_headers(const ModelSpec& spec) {
  std::vector<TensorHeader> headers;
  for (const UnitSpec& unit : spec.units) {
    for (const ParameterSpec& parameter : unit.parameters) {
      headers.push_back(
          {stored_name(full_name(unit, parameter.name)), parameter.dtype, parameter.shape});
    }
  }
  for (const UnitSpec& unit : spec.units) {
    for (const BufferSpec& buffer : unit.buffers) {
      headers.push_back({stored_name(full_name(unit, buffer.name)), buffer.dtype, buffer.shape});
    }
  }
  return headers;
}

void load_trained(const std::string& folder, const recipe::RunPlan& plan,
                  StrategySession& session) {
  c10::NoGradGuard no_grad;
  std::vector<StateSlice> state = model_state(session);
  const std::string best = folder + "/model.safetensors";
  if (std::filesystem::exists(best)) {
    const SafetensorsReader file(best);
    for (StateSlice& slice : state) fill(slice, file);
  } else {
    checkpoint::load(
        folder, state,
        {plan.model.id, plan.strategy.id, static_cast<int>(plan.ranks), plan.train.seed});
  }
  session.state_loaded();
}

}  // namespace trainhost::train
