// Which users were asked for: "1,2,3", "all" or "@FILE" (one id a line).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace kgat {

/// The ids in the order asked for. Throws trainhost::Error (kUser) that names the ids which are no
/// users, some of them where they are many, and the range there is.
std::vector<std::int32_t> parse_users(const std::string& wanted, std::int32_t n_users);

}  // namespace kgat
