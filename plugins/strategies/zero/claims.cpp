#include "claims.h"

#include <algorithm>
#include <set>
#include <utility>

#include "gradient_shards.h"
#include "shard_layout.h"
#include "trainhost/flat_layout.h"
#include "trainhost/replicated_claims.h"

namespace zero {
namespace {

using namespace trainhost;

/// A bucket as a rank holds it.
struct Held {
  std::int64_t bytes = 0;      // whole
  std::int64_t wire = 0;       // its gradients, as they travel
  std::int64_t most = 0;       // the largest rank's part
  bool resident = true;        // its parameters are whole on every rank
  std::int64_t gradients = 0;  // that wait as autograd's tensors for the bucket's last one
};

Held held(const Settings& settings, const ClaimsRequest& request, const ShardLayout& layout) {
  Held out;
  out.bytes = layout.bucket.bytes;
  out.wire = wire_bytes(request, out.bytes, layout.bucket.dtype);
  out.most = std::ranges::max(layout.counts) *
             static_cast<std::int64_t>(c10::elementSize(layout.bucket.dtype));
  out.resident = layout.elements() < settings.resident_parameters ||
                 (request.world == 1 && !settings.offload_parameters);
  std::int64_t largest = 0;
  for (const int unit : layout.bucket.units) {
    for (const ParameterSpec& parameter : request.model.units[unit].parameters) {
      if (!parameter.requires_grad) continue;
      out.gradients += byte_count(parameter);
      largest = std::max(largest, byte_count(parameter));
    }
  }
  out.gradients -= largest;
  return out;
}

/// Of the elements of one rank in a bucket.
std::int64_t optimizer_bytes(const ClaimsRequest& request, const ShardLayout& layout, int rank) {
  std::int64_t bytes = 0;
  for (const Piece& piece : pieces_of(request.model, layout, rank)) {
    const ParameterSpec& parameter = request.model.units[piece.unit].parameters[piece.parameter];
    bytes += piece.count * optimizer_bytes_of_element(request, piece.unit, parameter);
  }
  return bytes;
}

std::int64_t padding_of(const ModelSpec& model, const ShardLayout& layout) {
  std::int64_t padding = 0;
  for (const int unit : layout.bucket.units) padding += flat_layout(model.units[unit]).padding;
  return padding;
}

/// Units of which others borrow parameters: in backward they stay from the first borrower on.
std::set<int> lenders(const ModelSpec& model) {
  std::set<int> out;
  for (std::size_t u = 0; u < model.units.size(); ++u) {
    for (const ParameterSpec& parameter : model.units[u].parameters) {
      const std::string name = full_name(model.units[u], parameter.name);
      for (const UnitSpec& borrower : model.units) {
        if (std::ranges::find(borrower.borrows, name) != borrower.borrows.end()) {
          out.insert(static_cast<int>(u));
        }
      }
    }
  }
  return out;
}

/// What a rank sends for a bucket in a step: out of N parts it sends N - 1 when it reduces, and its
/// own N - 1 times when it gathers.
std::int64_t traffic_of(const Settings& settings, const ClaimsRequest& request,
                        const Held& bucket) {
  const bool each_micro_batch = settings.stage >= 2 || request.numerics == Numerics::kExact;
  const std::int64_t reductions = each_micro_batch ? request.micro_batches : 1;
  const std::int64_t gathers = bucket.resident ? 1 : 2 * request.micro_batches;
  const std::int64_t bytes = reductions * bucket.wire + gathers * bucket.bytes;
  return bytes * (request.world - 1) / request.world;
}

/// Where the update runs on another device than that of the values, fp32 parameters have masters
/// too.
std::int64_t more_masters(const Settings& settings, const ClaimsRequest& request) {
  if (settings.on_cpu || settings.offload_optimizer == settings.offload_parameters) return 0;
  std::int64_t elements = 0;
  for (const UnitSpec& unit : request.model.units) {
    for (const ParameterSpec& parameter : unit.parameters) {
      if (parameter.dtype == at::kFloat) elements += element_count(parameter.shape);
    }
  }
  return 4 * elements / request.world;
}

}  // namespace

Claims claims_of(const Settings& settings, const ClaimsRequest& request) {
  const int world = request.world;
  Claims claims;
  claims.traffic.assign(request.objectives.size(), 0);
  claims.buffers = buffer_bytes(request.model);
  const std::set<int> lending = lenders(request.model);
  std::vector<std::int64_t> optimizer_of(world), part_of(world);
  std::int64_t largest_wait = 0, largest_gathered = 0, next_gathered = 0, lent = 0;
  std::int64_t parameters_on_host = 0;
  const std::vector<ShardLayout> layouts =
      shard_layouts(request.model, request.objectives, settings.bucket_bytes, world);
  for (const ShardLayout& layout : layouts) {
    const Held bucket = held(settings, request, layout);
    const bool on_host = !bucket.resident && settings.offload_parameters;
    (on_host ? parameters_on_host : claims.parameters) +=
        bucket.resident ? bucket.bytes : bucket.most;
    claims.padding += padding_of(request.model, layout);
    for (int rank = 0; rank < world; ++rank) {
      optimizer_of[rank] += optimizer_bytes(request, layout, rank);
      part_of[rank] +=
          layout.counts[rank] * static_cast<std::int64_t>(c10::elementSize(layout.bucket.dtype));
    }
    largest_wait = std::max(largest_wait, bucket.gradients);
    if (!bucket.resident && lending.contains(layout.bucket.units.front())) {
      lent += bucket.bytes;
    } else if (!bucket.resident) {
      next_gathered = std::max(next_gathered, std::min(largest_gathered, bucket.bytes));
      largest_gathered = std::max(largest_gathered, bucket.bytes);
    }
    for (std::size_t o = 0; o < request.objectives.size(); ++o) {
      if (!layout.bucket.objectives[o]) continue;
      claims.traffic[o] += traffic_of(settings, request, bucket);
    }
    if (settings.stage == 1) claims.gradients += bucket.bytes;
  }
  claims.optimizer = std::ranges::max(optimizer_of);
  const std::int64_t part = std::ranges::max(part_of);
  if (settings.stage >= 2) {
    claims.gradients = part;
    claims.transient = 2 * staging_bytes(layouts, request.gradient_dtype, world) + largest_wait;
  } else if (request.numerics == Numerics::kExact) {
    claims.gradients += part;
  }
  if (settings.stage == 1) claims.transient += bucket_copies(request);
  claims.transient += largest_gathered + lent;
  if (settings.prefetch) claims.transient += next_gathered;
  claims.host = parameters_on_host;
  claims.optimizer += more_masters(settings, request);
  if (settings.offload_optimizer) {
    claims.host += std::exchange(claims.optimizer, 0);
    // On other devices than a CPU the gradients stay.
    if (settings.on_cpu && settings.stage >= 2) claims.host += std::exchange(claims.gradients, 0);
  }
  return claims;
}

}  // namespace zero
