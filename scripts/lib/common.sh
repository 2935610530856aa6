# Shared by the scripts of this folder: messages, errors, locks, and which LibTorch is in use.
# Sourced, never run. Everything said goes to stderr: stdout belongs to the program.
# shellcheck shell=bash
# shellcheck disable=SC2034  # the constants are for those that source this

readonly LIBTORCH_VERSION=2.11.0
readonly EXIT_FAILED=1 EXIT_USAGE=2 EXIT_LIBTORCH=4

root=$(cd -P "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
deps=$root/.deps
bundled_libtorch=$deps/libtorch-$LIBTORCH_VERSION/torch

say() { printf 'trainhost: %s\n' "$*" >&2; }

# fail CODE WHAT [LINE...]: one error with its details and its fix, then the end.
fail() {
  local code=$1 what=$2
  shift 2
  printf 'trainhost: error: %s\n' "$what" >&2
  (($# == 0)) || printf '  %s\n' "$@" >&2
  exit "$code"
}

# lock FD WHAT: waits for the lock on an open descriptor, and says so when that takes time.
lock() {
  flock -w 1 "$1" && return
  say "another run is $2; waiting for it"
  flock "$1"
}

# require_folder DIR: makes it; a checkout that root built once is not writable for its user.
require_folder() {
  mkdir -p "$1" 2>/dev/null && [[ -w $1 ]] && return
  fail "$EXIT_FAILED" "cannot write to $1" "expected: a folder that user $(id -u) may write to" \
    "fix:      remove what stands there, or give it to this user (chown -R), or run as its owner"
}

# free_kb DIR: free space in KiB on the file system of an existing folder.
free_kb() {
  local _fs _size _used free
  { read -r _ && read -r _fs _size _used free _; } < <(df -Pk -- "$1") || return 1
  printf '%s\n' "$free"
}

# require_space DIR GB PURPOSE
require_space() {
  local free
  free=$(free_kb "$1") || return 0
  ((free >= $2 * 1024 * 1024)) || fail "$EXIT_FAILED" "not enough disk space for $3" \
    "where:    $1" "expected: about $2 GB free" "got:      $((free / 1024)) MB free" \
    "fix:      free some space, or move the checkout to a larger disk"
}

# libtorch_version DIR: what the folder itself says, from its header or its Python package.
libtorch_version() {
  local header=$1/include/torch/headeronly/version.h python=$1/version.py text
  if [[ -f $header ]]; then
    text=$(<"$header")
    [[ $text =~ TORCH_VERSION_MAJOR[[:space:]]+([0-9]+) ]] || return 1
    local version=${BASH_REMATCH[1]}
    [[ $text =~ TORCH_VERSION_MINOR[[:space:]]+([0-9]+) ]] && version+=.${BASH_REMATCH[1]}
    [[ $text =~ TORCH_VERSION_PATCH[[:space:]]+([0-9]+) ]] && version+=.${BASH_REMATCH[1]}
    printf '%s\n' "$version"
  elif [[ -f $python ]]; then
    text=$(<"$python")
    [[ $text =~ __version__\ =\ [\'\"]([0-9.]+) ]] && printf '%s\n' "${BASH_REMATCH[1]}"
  else
    return 1
  fi
}

# Leaves TRAINHOST_LIBTORCH as an absolute path of a usable LibTorch, or ends with exit code 4.
check_named_libtorch() {
  local named=$TRAINHOST_LIBTORCH file hint='' version
  for file in include/ATen/ATen.h lib/libtorch_cpu.so lib/libc10.so; do
    [[ -f $named/$file ]] && continue
    [[ -f $named/torch/$file ]] && hint=" (perhaps $named/torch)"
    fail "$EXIT_LIBTORCH" "TRAINHOST_LIBTORCH names a folder without LibTorch" \
      "where:    $named" "expected: include/ATen/ATen.h, lib/libtorch_cpu.so and lib/libc10.so" \
      "got:      no $file" \
      "fix:      name the 'torch' folder of a Python installation or an unpacked libtorch$hint," \
      "          or unset TRAINHOST_LIBTORCH to have LibTorch $LIBTORCH_VERSION fetched"
  done
  version=$(libtorch_version "$named") || version=unknown
  [[ $version == "$LIBTORCH_VERSION" ]] ||
    fail "$EXIT_LIBTORCH" "TRAINHOST_LIBTORCH names another version of LibTorch" \
      "where:    $named" "expected: $LIBTORCH_VERSION" "got:      $version" \
      "fix:      name a LibTorch $LIBTORCH_VERSION, or unset TRAINHOST_LIBTORCH to have it fetched"
  TRAINHOST_LIBTORCH=$(cd -P "$named" && pwd)
  export TRAINHOST_LIBTORCH
}
