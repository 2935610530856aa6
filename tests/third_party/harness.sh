# An install in a temporary folder, for the tests beside this file. Sourced with the arguments
# SOURCE BUILD LIBTORCH.
# shellcheck shell=bash
set -euo pipefail

# Where the system allows it, a test runs among mounts of its own, so that it can hide the source
# and the build from what it starts.
if [[ -z ${TRAINHOST_OWN_MOUNTS:-} ]]; then
  export TRAINHOST_OWN_MOUNTS=no
  for options in -m -rm; do
    if unshare "$options" mount -t tmpfs none /mnt 2>/dev/null; then
      TRAINHOST_OWN_MOUNTS=yes exec unshare "$options" bash "$0" "$@"
    fi
  done
fi

source_folder=$1 build_folder=$2
export TRAINHOST_LIBTORCH=$3
unset TRAINHOST_PLUGIN_PATH
work=$(mktemp -d "${TMPDIR:-/tmp}/trainhost-stranger.XXXXXX")
trap 'rm -rf "$work"' EXIT
export XDG_CACHE_HOME=$work/cache
# A stranger's CMake, whatever this build was configured with.
unset CXXFLAGS CFLAGS LDFLAGS CMAKE_PREFIX_PATH CMAKE_GENERATOR

fail() {
  printf 'FAILED: %s\n' "$*" >&2
  exit 1
}

# runs CODE TEXT COMMAND...: the command ends with CODE and says TEXT, however its lines are broken.
runs() {
  local code=$1 text=$2 output status=0
  shift 2
  output=$("$@" 2>&1) || status=$?
  if ((status != code)) || [[ $(tr -s ' \n' ' ' <<<"$output") != *"$text"* ]]; then
    printf '%s\n' "$output" >&2
    fail "$* ended with $status and should have ended with $code, saying: $text"
  fi
}

# The install moves after it was made: nothing in it may know where it was.
install_moved() {
  cmake --install "$build_folder" --prefix "$work/first" >"$work/install.log" 2>&1 ||
    { cat "$work/install.log" >&2 && fail "cmake --install"; }
  mv "$work/first" "$work/prefix"
  prefix=$work/prefix
  PATH=$prefix/bin:$PATH
}

# Nothing of the source and the build can be read from here on, but for a LibTorch that lies there.
hide_our_folders() {
  local entry
  if [[ $TRAINHOST_OWN_MOUNTS != yes ]]; then
    printf 'SKIPPED: this system allows no mounts of our own, so the source and the build stay visible\n'
    return
  fi
  [[ $work != "$source_folder"/* ]] || fail "TMPDIR lies in the source, which is to be hidden"
  for entry in "$source_folder"/* "$source_folder"/.[!.]* "$build_folder"; do
    if [[ $TRAINHOST_LIBTORCH/ == "$entry"/* ]]; then
      continue
    elif [[ -d $entry ]]; then
      mount -t tmpfs none "$entry"
    elif [[ -e $entry ]]; then
      mount --bind /dev/null "$entry"
    fi
  done
  [[ ! -e $source_folder/sdk/README.md && ! -e $build_folder/bin ]] || fail "our folders are not hidden"
}

# build FOLDER [cmake arguments]
build() {
  local folder=$1
  shift
  if ! { cmake -S "$folder" -B "$folder/build" "-DCMAKE_PREFIX_PATH=$prefix" "$@" &&
    cmake --build "$folder/build"; } >"$work/build.log" 2>&1; then
    cat "$work/build.log" >&2
    fail "building $folder"
  fi
}
