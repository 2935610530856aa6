#!/usr/bin/env bash
# What find_package(trainhost) answers, also where it cannot serve.
# shellcheck source-path=SCRIPTDIR source=harness.sh
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/harness.sh"

# asks CODE TEXT ARGUMENTS-OF-FIND_PACKAGE [cmake arguments]
asks() {
  local code=$1 text=$2 arguments=$3
  shift 3
  rm -rf "$work/asks"
  mkdir "$work/asks"
  cat >"$work/asks/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.22)
project(asks LANGUAGES CXX)
find_package(trainhost $arguments)
message(STATUS "found: \${trainhost_FOUND} \${trainhost_VERSION}")
END
  runs "$code" "$text" cmake -S "$work/asks" -B "$work/asks/build" "-DCMAKE_PREFIX_PATH=$prefix" "$@"
}

# A folder that looks like LibTorch VERSION to CMake.
pretend_libtorch() {
  mkdir -p "$work/pretended/lib" "$work/pretended/include/ATen" "$work/pretended/include/torch/headeronly"
  touch "$work/pretended/lib/libtorch_cpu.so" "$work/pretended/lib/libc10.so" \
    "$work/pretended/include/ATen/ATen.h"
  printf '#define TORCH_VERSION_%s\n' "MAJOR ${1%%.*}" "MINOR 5" "PATCH 1" \
    >"$work/pretended/include/torch/headeronly/version.h"
}

main() {
  local minor version
  install_moved
  hide_our_folders
  version=$("$prefix/bin/trainhost" --version | grep -oE '[0-9]+\.[0-9]+\.[0-9]+' | head -1)
  minor=${version%.*}

  asks 0 "found: 1 $version" "$version REQUIRED"
  asks 0 "found: 1 $version" "$minor REQUIRED"
  asks 1 "compatible with requested version \"9.1\"" "9.1 REQUIRED"
  asks 1 "version: $version" "9.1 REQUIRED"
  asks 1 "compatible with requested version \"${minor%.*}.99\"" "${minor%.*}.99 REQUIRED"
  asks 0 "found: 0" "9.1"

  asks 1 "trainhost has no components got: COMPONENTS gpu" "REQUIRED COMPONENTS gpu"
  asks 0 "found: 1" "REQUIRED OPTIONAL_COMPONENTS gpu"

  # A LibTorch that was named is not passed over, though the install knows another.
  asks 1 "looked: /nowhere fix: pass -DTRAINHOST_LIBTORCH=DIR" REQUIRED -DTRAINHOST_LIBTORCH=/nowhere
  asks 0 "found: 0" "" -DTRAINHOST_LIBTORCH=/nowhere
  TRAINHOST_LIBTORCH=/nowhere asks 1 "looked: /nowhere" REQUIRED
  pretend_libtorch 2
  asks 1 "built with another LibTorch" REQUIRED "-DTRAINHOST_LIBTORCH=$work/pretended"
  asks 1 "got: '2.5.1' in $work/pretended" REQUIRED "-DTRAINHOST_LIBTORCH=$work/pretended"

  # Named by nobody: recorded, else python3's, else a plain message.
  local libtorch=$TRAINHOST_LIBTORCH
  unset TRAINHOST_LIBTORCH
  asks 0 "found: 1" REQUIRED
  rm "$prefix/share/trainhost/libtorch.path"
  mkdir "$work/python"
  printf '#!/bin/sh\necho "%s"\n' "$libtorch" >"$work/python/python3"
  chmod +x "$work/python/python3"
  PATH=$work/python:$PATH asks 0 "found: 1" REQUIRED
  printf '#!/bin/sh\necho\n' >"$work/python/python3"
  PATH=$work/python:$PATH asks 1 "no LibTorch found" REQUIRED
  PATH=$work/python:$PATH asks 1 "nowhere: none is recorded, and python3 has no torch" REQUIRED
}

main
