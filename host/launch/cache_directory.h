// Where trainhost keeps what it found out or prepared, for later runs.
//
// Threads: any, while nobody changes the environment.
#pragma once

#include <string>

namespace trainhost::launch {

/// TRAINHOST_CACHE, else trainhost's folder in the user's cache.
std::string cache_directory();

}  // namespace trainhost::launch
