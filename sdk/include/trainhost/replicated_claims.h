// What a strategy that replicates everything claims: the memory of a Replica (replica.h).
//
// Purpose: the bytes; a strategy adds its traffic, of which reduced_bytes is the measure. Threads
// and ranks: pure functions.
#pragma once

#include <algorithm>

#include "trainhost/flat_layout.h"
#include "trainhost/strategy.h"

namespace trainhost {

/// Of fp32 masters and of the states that the objectives keep, for each element of a parameter of
/// this unit.
inline std::int64_t optimizer_bytes_of_element(const ClaimsRequest& request, int unit,
                                               const ParameterSpec& parameter) {
  if (!parameter.requires_grad) return 0;
  const auto reaching = std::ranges::count_if(request.objectives, [&](const ObjectiveSpec& o) {
    return std::ranges::find(o.units, unit) != o.units.end();
  });
  if (reaching == 0) return 0;
  const std::int64_t master = c10::elementSize(parameter.dtype) == 2 ? 4 : 0;
  return 4 * std::ssize(request.optimizer.states()) * reaching + master;
}

inline std::int64_t buffer_bytes(const ModelSpec& model) {
  std::int64_t bytes = 0;
  for (const UnitSpec& unit : model.units) {
    for (const BufferSpec& buffer : unit.buffers) {
      bytes +=
          element_count(buffer.shape) * static_cast<std::int64_t>(c10::elementSize(buffer.dtype));
    }
  }
  return bytes;
}

/// The update of 16-bit parameters makes an fp32 copy of one gradient at a time.
inline std::int64_t largest_gradient_copy(const ModelSpec& model) {
  std::int64_t most = 0;
  for (const UnitSpec& unit : model.units) {
    for (const ParameterSpec& parameter : unit.parameters) {
      if (c10::elementSize(parameter.dtype) != 2) continue;
      most = std::max(most, 4 * element_count(parameter.shape));
    }
  }
  return most;
}

/// Parameters, gradients in flat buffers with exact numerics' sum of them, buffers, and one set of
/// states for each objective that reaches a unit; no traffic.
inline Claims replicated_claims(const ClaimsRequest& request) {
  Claims claims;
  const std::int64_t copies = request.numerics == Numerics::kExact ? 2 : 1;
  for (std::size_t u = 0; u < request.model.units.size(); ++u) {
    const FlatLayout layout = flat_layout(request.model.units[u]);
    claims.parameters += layout.bytes;
    claims.gradients += copies * layout.bytes;
    claims.padding += (1 + copies) * layout.padding;
    for (const ParameterSpec& parameter : request.model.units[u].parameters) {
      claims.optimizer += element_count(parameter.shape) *
                          optimizer_bytes_of_element(request, static_cast<int>(u), parameter);
    }
  }
  claims.buffers = buffer_bytes(request.model);
  claims.transient = largest_gradient_copy(request.model);
  claims.traffic.assign(request.objectives.size(), 0);
  return claims;
}

/// Gradients of parameters of this type travel as a 16-bit copy.
inline bool travels_as_copy(const ClaimsRequest& request, at::ScalarType type) {
  return request.gradient_dtype && type == at::kFloat && request.world > 1;
}

/// As gradients of parameters of this type travel.
inline std::int64_t wire_bytes(const ClaimsRequest& request, std::int64_t bytes,
                               at::ScalarType type) {
  return travels_as_copy(request, type) ? bytes / 2 : bytes;
}

/// What GradientBuckets (gradient_buckets.h) keep besides the gradients: their 16-bit copies.
inline std::int64_t bucket_copies(const ClaimsRequest& request) {
  std::int64_t bytes = 0;
  for (const UnitSpec& unit : request.model.units) {
    if (unit.parameters.empty()) continue;
    if (travels_as_copy(request, unit.parameters.front().dtype))
      bytes += flat_layout(unit).bytes / 2;
  }
  return bytes;
}

/// Of the gradients that go into the reductions of a step of this objective, where micro-batches
/// are added up before it, or with exact numerics after it.
inline std::int64_t reduced_bytes(const ClaimsRequest& request, std::size_t objective) {
  std::int64_t bytes = 0;
  for (const int unit : request.objectives[objective].units) {
    const UnitSpec& spec = request.model.units[unit];
    if (spec.parameters.empty()) continue;
    bytes += wire_bytes(request, flat_layout(spec).bytes, spec.parameters.front().dtype);
  }
  return bytes * (request.numerics == Numerics::kExact ? request.micro_batches : 1);
}

/// Of an all-reduce, or of a reduction to one rank and a broadcast: what a rank sends.
inline std::int64_t all_reduce_traffic(std::int64_t bytes, int world) {
  return 2 * bytes * (world - 1) / world;
}

}  // namespace trainhost
