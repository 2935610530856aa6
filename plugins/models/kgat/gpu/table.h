// The table of all launches; how a launch comes by its stream is the maker's.
#pragma once

#include "gpu/launches.h"

namespace kgat::gpu {

/// `Caller<launch>::call(work, device)` calls launch(work, stream of the device).
template <template <auto> class Caller>
constexpr Table make_table() {
  return {sizeof(Table),
          kTableVersion,
          Caller<positions>::call,
          Caller<sparse_product>::call,
          Caller<combine>::call,
          Caller<separate>::call,
          Caller<activate>::call,
          Caller<activate_backward>::call,
          Caller<take_rows>::call,
          Caller<add_rows>::call,
          Caller<normalise>::call,
          Caller<normalise_backward>::call,
          Caller<grouped_product>::call,
          Caller<edge_logits>::call,
          Caller<row_softmax>::call,
          Caller<cf_forward>::call,
          Caller<cf_backward>::call,
          Caller<kg_rows>::call,
          Caller<kg_matrices>::call,
          Caller<sum_rows>::call,
          Caller<rank_users>::call};
}

}  // namespace kgat::gpu
