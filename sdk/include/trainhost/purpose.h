// Purpose: the host's extension "trainhost.purpose/1": what this process was started for.
//
// Purpose: a model that is only put to use (predict, export) needs not the data it was trained on,
// which may lie elsewhere by then. Owner: the host. Threads and ranks: constant, any thread; equal
// on all ranks.
#pragma once

#include "trainhost/host.h"

namespace trainhost {

struct Purpose {
  static constexpr const char* kExtension = "trainhost.purpose/1";

  /// Whether the model will be asked for batches or an evaluation.
  bool needs_data = true;

  /// That of a host; a host without the extension trains.
  static Purpose of(Host& host) {
    const auto* known = static_cast<const Purpose*>(host.extension(kExtension));
    return known == nullptr ? Purpose{} : *known;
  }
};

}  // namespace trainhost
