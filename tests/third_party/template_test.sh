#!/usr/bin/env bash
# The template, copied out of an install, builds, passes its check, trains, resumes, and is equal to
# one process bit for bit.
# shellcheck source-path=SCRIPTDIR source=harness.sh
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/harness.sh"

# losses RUN: "objective step loss" a line
losses() { sed -nE 's/.*"step":([0-9]+),"objective":"([a-z]+)","loss":([^,]+),.*/\2 \1 \3/p' "$1/metrics.jsonl"; }

# same_losses ONE OTHER: to 1e-5 of their size, and there are some
same_losses() {
  paste -d ' ' <(losses "$1") <(losses "$2") | awk '
    { difference = $3 - $6; if (difference < 0) difference = -difference
      if ($1 != $4 || $2 != $5 || difference > 1e-5 * $3) { print; bad = 1 } }
    END { exit bad || NR < 4 }' || fail "the losses of $1 and $2 differ"
}

# Paths of the source or the build may stand nowhere in the install: it goes to other machines.
# libtorch.path is a hint by intent.
knows_no_folder_of_ours() {
  local folders found
  folders=$(printf '%s\n' "$source_folder" "$build_folder" | sed 's/[][\.*^$+?(){}|]/\\&/g' | paste -sd '|')
  found=$({ grep -raoE --exclude=libtorch.path "($folders)[[:graph:]]*" "$prefix" || true; } |
    sort -t : -u -k 1,1)
  [[ -z $found ]] || fail "files of the install name folders of the build, e.g."$'\n'"$found"
}

main() {
  install_moved
  knows_no_folder_of_ours
  hide_our_folders
  cp -r "$prefix/share/trainhost/template" "$work/mine"
  (($(wc -l <"$work/mine/CMakeLists.txt") <= 10)) || fail "more than 10 lines of CMake"
  build "$work/mine"
  cd "$work/mine"
  runs 0 "100% tests passed" ctest --test-dir build
  runs 0 "conforms" trainhost check-plugin build/my_strategy.so --quick

  runs 0 "done in" trainhost my_strategy.lua --run-dir two
  runs 0 "done in" trainhost my_strategy.lua devices=1 --run-dir one
  runs 0 "done in" trainhost my_strategy.lua devices=1 strategy=single --run-dir single
  same_losses single one
  same_losses single two
  runs 0 "every bit" trainhost prove my_strategy.lua
  runs 0 "every bit" trainhost prove my_strategy.lua --world 4 train.accumulate=3 train.clip_norm=0.01

  runs 0 "done in" trainhost my_strategy.lua train.max_steps=3 --run-dir part
  runs 0 "done in" trainhost resume part train.max_steps=0
  same_losses two part
  # By its id, where the folder is known; and gone on with under ddp.
  TRAINHOST_PLUGIN_PATH=$work/mine/build runs 0 "org.example.my_strategy" trainhost plugins
  runs 0 "done in" trainhost my_strategy.lua train.max_steps=3 --run-dir other
  runs 0 "done in" trainhost resume other train.max_steps=0 strategy=ddp
  same_losses two other

  if command -v clang++-16 >/dev/null; then
    cp -r "$prefix/share/trainhost/template" "$work/clang"
    build "$work/clang" -DCMAKE_CXX_COMPILER=clang++-16
    runs 0 "conforms" trainhost check-plugin "$work/clang/build/my_strategy.so" --quick
  else
    printf 'SKIPPED: no clang++-16, so the template was built with the default compiler alone\n'
  fi
}

main
