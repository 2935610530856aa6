// Where this program's own files lie, in an installed tree and in a build tree alike.
//
// Threads and ranks: pure functions of /proc/self/exe, any thread.
#pragma once

#include <string>

namespace trainhost::plugins {

/// The folder above the program's own (bin/ or libexec/): the prefix of an installed tree.
std::string install_prefix();

/// PREFIX/lib/trainhost/plugins where there is one, else PREFIX/plugins (a build tree).
std::string default_plugin_folder();

}  // namespace trainhost::plugins
