// Where the program finds what was installed or built beside it.
//
// Threads: pure functions of /proc/self/exe and the file system.
#pragma once

#include <string>
#include <vector>

namespace trainhost::cli {

/// PREFIX/libexec/trainhost-rank. Throws Error (kRun) where it is missing.
std::string rank_program();

/// PREFIX/share/trainhost/recipes; in a build tree that is a link to the source's folder.
std::string recipes_folder();

/// The files that may say where LibTorch is.
std::vector<std::string> libtorch_records();

/// A recipe by path as given, or by the name of an installed one ("quickstart", "quickstart.lua").
/// Throws Error (kUser) with the nearest installed name where there is none.
std::string find_recipe(const std::string& named);

/// A benchmark script by path as given, or by the name of an installed one ("scaling"). Throws Error
/// (kUser) with the nearest installed name where there is none.
std::string find_script(const std::string& named);

/// File names of the installed recipes, sorted.
std::vector<std::string> installed_recipes();

}  // namespace trainhost::cli
