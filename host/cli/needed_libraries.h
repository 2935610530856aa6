// Which libraries a shared object needs and would not find.
//
// Threads: the program's only thread.
#pragma once

#include <string>
#include <vector>

namespace trainhost::cli {

/// The needed libraries of `file` that are neither in `folders`, nor where the file itself looks,
/// nor among the system's. Loads system libraries for a moment, `file` never. Throws Error
/// (kPlugin) where the file is no shared object.
std::vector<std::string> missing_libraries(const std::string& file,
                                           const std::vector<std::string>& folders);

}  // namespace trainhost::cli
