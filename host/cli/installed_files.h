// Where the program finds what was installed or built beside it.
//
// Threads: pure functions of /proc/self/exe and the file system.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "host/launch/libtorch.h"

namespace trainhost::cli {

/// PREFIX/libexec/trainhost-rank. Throws Error (kRun) where it is missing.
std::string rank_program();

/// PREFIX/share/trainhost/recipes; in a build tree that is a link to the source's folder.
std::string recipes_folder();

/// The files that may say where LibTorch is.
std::vector<std::string> libtorch_records();

/// LibTorch, or nothing and the reason where there is none: what is said about plugins is wanted
/// then all the more.
std::optional<launch::LibTorch> libtorch_if_any(std::string& why_not);

/// PREFIX/libexec/check-plugin: the models on which check-plugin tries strategies and devices.
std::string check_models_folder();

/// A recipe by path as given, or by the name of an installed one ("quickstart", "quickstart.lua").
/// Throws Error (kUser) with the nearest installed name where there is none.
std::string find_recipe(const std::string& named);

/// A benchmark script by path as given, or by the name of an installed one ("scaling"). Throws
/// Error (kUser) with the nearest installed name where there is none.
std::string find_script(const std::string& named);

/// File names of the installed recipes, sorted.
std::vector<std::string> installed_recipes();

}  // namespace trainhost::cli
