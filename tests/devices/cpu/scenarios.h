// What a rank does in a test, whether it is a process or a thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "trainhost/communicator.h"

namespace scenarios {

/// Every function throws std::runtime_error with what is wrong; all are [collective].

/// Every operation × type × layout in memory against the reference, bit for bit, for vectors of
/// these sizes.
void check_operations(trainhost::Communicator& group, const std::vector<std::int64_t>& sizes);
inline const std::vector<std::int64_t> kUsualSizes = {0, 1, 3, 1000, 65537};

/// Many operations under way at once, large and small mixed, waited for out of order.
void check_asynchronous(trainhost::Communicator& group);

/// Large reductions until something goes wrong; returns the text of the error.
std::string reduce_until_it_fails(trainhost::Communicator& group);

}  // namespace scenarios
