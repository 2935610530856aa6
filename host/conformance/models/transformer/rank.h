// TransformerRank: one rank's losses and evaluation.
#pragma once

#include <memory>

#include "settings.h"
#include "trainhost/model.h"

namespace transformer {

std::unique_ptr<trainhost::ModelRank> make_rank(const Settings& settings, std::uint64_t seed,
                                                int rank, int world);

}  // namespace transformer
