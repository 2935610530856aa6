#!/usr/bin/env bash
# scripts/trainhost: what it builds and when, what it says, and what it hands over.
# shellcheck disable=SC2016
# shellcheck source=harness.sh
source "$(dirname "${BASH_SOURCE[0]}")/harness.sh"

with_libtorch() {
  fake_libtorch "$box/torch" 2.11.0
  variables=(TRAINHOST_LIBTORCH="$box/torch")
}

# A program built in the past, so that a file changed now is newer by any clock.
built() {
  with_libtorch
  run 0 scripts/trainhost
  run 0 scripts/trainhost
  not_called ninja
}

case_builds_then_hands_over() {
  with_libtorch
  run 0 scripts/trainhost "recipes/a b.lua" devices=2
  called "cmake -S $box/checkout -B $box/checkout/build -G Ninja"
  called "-DCMAKE_BUILD_TYPE=Release"
  called "trainhost_product"
  says "building with"
  [[ $(<"$box/out") == $'recipes/a b.lua\ndevices=2\nlibtorch='"$box/torch" ]] ||
    die "the program did not get its arguments"
}

case_exit_code_is_the_programs() {
  with_libtorch
  variables+=(PROGRAM_CODE=5)
  run 5 scripts/trainhost
  run 5 scripts/trainhost
}

case_nothing_to_do_runs_no_tool() {
  with_libtorch
  run 0 scripts/trainhost
  run 0 scripts/trainhost x
  silent
  prints x
  [[ ! -s $box/calls ]] || die "tools were run"
}

case_changed_source_is_built_without_configuring() {
  built
  echo change >>host/main.cpp
  run 0 scripts/trainhost
  called "ninja -C $box/checkout/build"
  ! grep -q '^cmake -S' "$box/calls" || die "configured again"
  run 0 scripts/trainhost
  not_called ninja
}

case_source_put_back_with_an_old_date_is_built() {
  built
  touch -d 2001-01-01 host/main.cpp
  run 0 scripts/trainhost
  called ninja
}

case_removed_source_is_built() {
  built
  rm host/old.cpp
  run 0 scripts/trainhost
  called ninja
}

case_source_changed_during_the_build_is_built_next_time() {
  with_libtorch
  stub ninja 'touch host/main.cpp; mkdir -p "$2/bin"; ln -sf "'"$(type -P true)"'" "$2/bin/trainhost"; echo "[1/1] x"'
  run 0 scripts/trainhost
  run 0 scripts/trainhost
  called ninja
}

case_another_libtorch_configures_again() {
  built
  fake_libtorch "$box/other" 2.11.0
  variables=(TRAINHOST_LIBTORCH="$box/other")
  run 0 scripts/trainhost
  called "-DTRAINHOST_LIBTORCH=$box/other"
  prints "libtorch=$box/other"
}

case_relative_libtorch_reaches_the_program_as_an_absolute_path() {
  with_libtorch
  variables=(TRAINHOST_LIBTORCH=../torch)
  run 0 scripts/trainhost
  prints "libtorch=$box/torch"
}

case_wrong_libtorch_ends_before_anything_is_run() {
  built
  variables=(TRAINHOST_LIBTORCH=/nowhere)
  run 4 scripts/trainhost
  says "TRAINHOST_LIBTORCH names a folder without LibTorch"
  prints_nothing
}

case_failed_build_shows_the_first_error() {
  with_libtorch
  stub ninja 'echo "[1/2] Building a.o"; echo "FAILED: a.o"; echo "c++ -a-long-command"; echo "a.cpp:3: error: no"; exit 1'
  run 1 scripts/trainhost x
  says "a.cpp:3: error: no"
  says "the build failed"
  says "where:    $box/checkout/build/logs/build.log"
  ! grep -q a-long-command "$box/err" || die "shows the command line"
  prints_nothing
  stub_machine
  run 0 scripts/trainhost x
  prints x
}

case_compiler_out_of_memory_has_its_own_fix() {
  with_libtorch
  stub ninja 'echo "[1/2] Building a.o"; echo "FAILED: a.o"; echo c++; echo "c++: fatal error: Killed signal terminated program cc1plus"; exit 1'
  run 1 scripts/trainhost x
  says "TRAINHOST_JOBS=1"
}

case_failed_configuration_is_tried_again() {
  with_libtorch
  stub cmake '[[ $1 == --version ]] && echo "cmake version 3.25.1" && exit; echo "CMake Error: no Lua"; exit 1'
  run 1 scripts/trainhost x
  says "CMake Error: no Lua"
  says "where:    $box/checkout/build/logs/configure.log"
  prints_nothing
  stub_machine
  run 0 scripts/trainhost x
  called "cmake -S"
}

case_failed_bootstrap_ends_it() {
  stub python3 '[[ $* == "-m pip --version" ]]'
  run 4 scripts/trainhost x
  says "pip could not fetch LibTorch"
  not_called ninja
  prints_nothing
}

case_no_space_for_the_build() {
  with_libtorch
  stub df 'printf "Filesystem 1024-blocks Used Available Capacity Mounted\nfs 9 9 1048576 99%% /\n"'
  run 1 scripts/trainhost x
  says "not enough disk space for the build"
}

case_build_folder_that_cannot_be_made() {
  with_libtorch
  touch build
  run 1 scripts/trainhost x
  says "cannot write to $box/checkout/build/logs"
}

case_moved_checkout_is_configured_afresh() {
  built
  echo old >build/CMakeFiles
  mv "$box/checkout" "$box/elsewhere"
  cd "$box/elsewhere"
  run 0 scripts/trainhost x
  called "cmake -S $box/elsewhere -B $box/elsewhere/build"
  [[ ! -e build/CMakeFiles ]] || die "the old cache is still there"
}

case_folder_configured_by_hand_keeps_its_options() {
  with_libtorch
  mkdir -p mine
  printf 'CMAKE_HOME_DIRECTORY:INTERNAL=%s\nCMAKE_CACHEFILE_DIR:INTERNAL=%s\n' \
    "$PWD" "$PWD/mine" >mine/CMakeCache.txt
  touch mine/build.ninja
  variables+=(TRAINHOST_BUILD_DIR=mine)
  run 0 scripts/trainhost x
  called "cmake -S $PWD -B $PWD/mine"
  ! grep -q CMAKE_BUILD_TYPE "$box/calls" || die "changed the build type"
  [[ ! -e build ]] || die "used the default folder"
}

case_through_a_link_from_elsewhere() {
  with_libtorch
  ln -s "$PWD/scripts/trainhost" "$box/th"
  cd "$box"
  run 0 ./th x
  called "cmake -S $box/checkout"
}

case_help_is_there_before_and_after_the_build() {
  with_libtorch
  run 0 scripts/trainhost --help
  says "usage: scripts/trainhost RECIPE"
  not_called cmake
  built
  run 0 scripts/trainhost --help
  says "usage: scripts/trainhost RECIPE"
  prints --help
}

case_named_number_of_jobs() {
  with_libtorch
  variables+=(TRAINHOST_JOBS=3)
  run 0 scripts/trainhost
  called "-j 3 trainhost_product"
}

case_two_at_once_build_one_after_the_other() {
  with_libtorch
  stub ninja '
    mkdir "'"$box"'/busy" || { echo both >>"'"$box"'/collision"; }
    sleep 0.3
    rmdir "'"$box"'/busy"
    mkdir -p "$2/bin"; ln -sf "'"$(type -P true)"'" "$2/bin/trainhost"; echo "[1/1] x"'
  ln -s "$(type -P rmdir)" "$box/bin/rmdir"
  : >"$box/calls"
  env -i PATH="$box/bin" "${variables[@]}" scripts/trainhost 2>"$box/first" &
  env -i PATH="$box/bin" "${variables[@]}" scripts/trainhost 2>"$box/second" || die "second failed"
  wait $! || die "first failed"
  [[ ! -e $box/collision ]] || die "two builds ran at once"
}

run_cases "$1"
