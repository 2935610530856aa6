#!/usr/bin/env bash
# A plugin built against another SDK or LibTorch is refused before any of its code runs.
# shellcheck source-path=SCRIPTDIR source=harness.sh
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/harness.sh"

# Code that would run as soon as the file is loaded.
leave_a_trace() {
  cat >>"$1/my_strategy.cpp" <<EOF
#include <fstream>
static const bool loaded = [] { return bool(std::ofstream("$work/loaded")); }();
EOF
}

# refused FOLDER TEXT: the recipe and the check refuse what was built there, and say TEXT
refused() {
  rm -f "$work/loaded"
  cd "$1"
  runs 3 "$2" trainhost my_strategy.lua --run-dir run
  runs 3 "rebuild against this SDK" trainhost my_strategy.lua --run-dir run
  runs 3 "does not conform" trainhost check-plugin build/my_strategy.so
  [[ ! -e $work/loaded ]] || fail "code of a refused plugin has run"
}

main() {
  install_moved
  cp "$source_folder/sdk/cmake/TrainhostAbiHash.cmake" "$work"
  hide_our_folders
  cp -r "$prefix" "$work/good"

  # A fitting plugin does leave the trace: the test can see one.
  cp -r "$prefix/share/trainhost/template" "$work/fitting"
  leave_a_trace "$work/fitting"
  build "$work/fitting"
  cd "$work/fitting"
  runs 0 "done in" trainhost my_strategy.lua train.epochs=1 --run-dir run
  [[ -e $work/loaded ]] || fail "the trace does not work"

  # An SDK with one more virtual function, and the hash that belongs to it.
  cp -r "$prefix/share/trainhost/template" "$work/newer"
  leave_a_trace "$work/newer"
  sed -i 's/^  virtual StepResult step(const StepRequest& request) = 0;/&\n  virtual void one_more() {}/' \
    "$prefix/include/trainhost/strategy.h"
  grep -q one_more "$prefix/include/trainhost/strategy.h" || fail "strategy.h has changed: mend this test"
  mkdir "$work/hashed"
  cp "$prefix/include/trainhost/"*.h "$work/hashed"
  rm "$work/hashed/abi_hash.h"
  cat >"$work/hash.cmake" <<EOF
include($work/TrainhostAbiHash.cmake)
trainhost_hash_headers($work/hashed hash)
file(WRITE $prefix/include/trainhost/abi_hash.h "#pragma once\n#define TRAINHOST_ABI_HASH \"\${hash}\"\n")
EOF
  cmake -P "$work/hash.cmake"
  build "$work/newer"
  rm -rf "$prefix" && cp -r "$work/good" "$prefix"
  refused "$work/newer" "must match"

  # Another LibTorch, by its version alone.
  cp -r "$prefix/share/trainhost/template" "$work/torch"
  leave_a_trace "$work/torch"
  sed -i '1i #include <torch/headeronly/version.h>\n#undef TORCH_VERSION\n#define TORCH_VERSION "2.5.1"' \
    "$work/torch/my_strategy.cpp"
  build "$work/torch"
  refused "$work/torch" "2.5.1"

  # The old C++ ABI.
  cp -r "$prefix/share/trainhost/template" "$work/old"
  leave_a_trace "$work/old"
  sed -i '1i #include <string>\n#undef _GLIBCXX_USE_CXX11_ABI\n#define _GLIBCXX_USE_CXX11_ABI 0' \
    "$work/old/my_strategy.cpp"
  build "$work/old"
  refused "$work/old" "cxx11 abi"
}

main
