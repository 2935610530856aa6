#!/usr/bin/env bash
# The tutorials of sdk/README.md, typed word for word into an empty folder: each ```sh block is run,
# each block that follows a line with a file's name in backquotes is that file.
# shellcheck source-path=SCRIPTDIR source=harness.sh
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/harness.sh"

# typed README: the tutorials as a shell script
typed() {
  awk '
    /^## / { tutorial = /^## Tutorial/; file = "" }
    !tutorial { next }
    /^`[^`]+`:$/ { file = substr($0, 2, length($0) - 3); next }
    /^```sh$/ { copying = 1; next }
    /^```[a-z]/ { if (file != "") { print "cat > " file " <<\047END_OF_FILE\047"; copying = 1; writing = 1 } next }
    /^```$/ { if (writing) print "END_OF_FILE"; copying = writing = 0; file = ""; next }
    copying { print }' "$1"
}

main() {
  install_moved
  export PREFIX=$prefix
  typed "$source_folder/sdk/README.md" >"$work/typed.sh"
  hide_our_folders
  mkdir "$work/empty" && cd "$work/empty"
  (($(wc -l <"$work/typed.sh") > 100)) || fail "the tutorials were not found in sdk/README.md"
  bash -euxo pipefail "$work/typed.sh" >"$work/said" 2>&1 ||
    { cat "$work/said" >&2 && fail "a command of the tutorial"; }
  for text in "conforms: 14 pass" "slope_error  0.0" "prove ended with exit code 1" \
    "my_strategy differs first after step cf 1: tensor 'parameter/" \
    "is not the same on all ranks, though each holds all of it"; do
    grep -qF "$text" "$work/said" || { cat "$work/said" >&2 && fail "the tutorial promises: $text"; }
  done
  (($(grep -c "every bit" "$work/said") == 2)) || fail "both proofs of the tutorial succeed"
}

main
