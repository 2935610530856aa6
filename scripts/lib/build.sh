# Configures and builds; shared by scripts/trainhost and scripts/test. Sourced after common.sh.
# shellcheck shell=bash

readonly BUILD_GB=2 MEMORY_KB_PER_JOB=$((2 * 1024 * 1024))

build=${TRAINHOST_BUILD_DIR:-$root/build}
[[ $build == /* ]] || build=$PWD/$build
logs=$build/logs
built_stamp=$build/.trainhost-built
configured_stamp=$build/.trainhost-configured
# What the programs and plugins are made of; a change elsewhere rebuilds nothing.
product_sources=("$root/CMakeLists.txt" "$root/sdk" "$root/host" "$root/plugins" "$root/recipes")

# What a build depends on besides its sources.
build_key() { printf '%s\n' "checkout=$root" "libtorch=${TRAINHOST_LIBTORCH:-$bundled_libtorch}"; }

# True when the programs are newer than everything they are made of. Status change times are
# compared, so that a file put back with an old date counts as changed; folders count too, so that
# a file taken away does. Runs no build tool: this is the way to every start of the program.
product_is_current() {
  [[ -x $build/bin/trainhost && -f $built_stamp ]] || return 1
  [[ $(<"$built_stamp") == "$(build_key)" ]] || return 1
  [[ -f ${TRAINHOST_LIBTORCH:-$bundled_libtorch}/lib/libtorch_cpu.so ]] || return 1
  [[ -z $(find "${product_sources[@]}" -cnewer "$built_stamp" -print -quit 2>&1) ]]
}

# Lets a fresh clone elsewhere on this machine hit the cache of an earlier one.
set_up_ccache() {
  export CCACHE_BASEDIR=${CCACHE_BASEDIR:-$root}
  export CCACHE_NOHASHDIR=${CCACHE_NOHASHDIR:-1}
  export CCACHE_SLOPPINESS=${CCACHE_SLOPPINESS:-pch_defines,time_macros,include_file_mtime,include_file_ctime}
}

# The memory this process may use: the machine's, or less inside a container.
available_memory_kb() {
  local name value _ kb=$MEMORY_KB_PER_JOB file limit
  while read -r name value _; do
    [[ $name != MemAvailable: ]] || kb=$value
  done </proc/meminfo
  for file in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
    limit=$(cat "$file" 2>/dev/null) || continue
    [[ $limit =~ ^[0-9]+$ ]] || continue
    ((limit / 1024 >= kb)) || kb=$((limit / 1024))
  done
  printf '%s\n' "$kb"
}

usable_cores() {
  local cores quota period
  cores=$(nproc)
  if [[ -r /sys/fs/cgroup/cpu.max ]] && read -r quota period </sys/fs/cgroup/cpu.max &&
    [[ $quota =~ ^[0-9]+$ ]] && (((quota + period - 1) / period < cores)); then
    cores=$(((quota + period - 1) / period))
  fi
  printf '%s\n' "$cores"
}

build_jobs() {
  local cores memory
  [[ -z ${TRAINHOST_JOBS:-} ]] || { printf '%s\n' "$TRAINHOST_JOBS" && return; }
  cores=$(usable_cores) memory=$(($(available_memory_kb) / MEMORY_KB_PER_JOB))
  ((memory >= 1)) || memory=1
  printf '%s\n' "$((cores < memory ? cores : memory))"
}

# forget_moved_cache: CMake refuses a cache that another checkout or folder wrote.
forget_moved_cache() {
  local cache=$build/CMakeCache.txt
  [[ -f $cache ]] || return 0
  if ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$root" "$cache" ||
    ! grep -qxF "CMAKE_CACHEFILE_DIR:INTERNAL=$(cd -P "$build" && pwd)" "$cache"; then
    rm -rf "$cache" "$build/CMakeFiles" "$build/build.ninja"
  fi
}

# The end of a log that matters: from the first failed step on, without its endless command line.
show_failure() {
  local first
  # A failed CMake run says why before its FAILED line.
  first=$(grep -n -m 1 '^FAILED:' "$1" | grep -v 'build\.ninja' | cut -d : -f 1) || first=
  if [[ -n $first ]]; then
    sed -n "$first,$((first + 40))p" "$1" | sed 2d
  else
    tail -n 40 "$1"
  fi | cut -c -300 >&2
}

configure() {
  local log=$logs/configure.log options=("-DTRAINHOST_LIBTORCH=${TRAINHOST_LIBTORCH:-}")
  forget_moved_cache
  if [[ -f $build/build.ninja && -f $configured_stamp ]]; then
    [[ $(<"$configured_stamp") != "$(build_key)" ]] || return 0
  fi
  # A folder that was configured by hand or by a preset keeps its options.
  [[ -f $build/CMakeCache.txt ]] || options+=(-DCMAKE_BUILD_TYPE=Release)
  [[ -f $build/build.ninja ]] || require_space "$build" $BUILD_GB "the build"
  say "configuring in $build (LibTorch: ${TRAINHOST_LIBTORCH:-$bundled_libtorch})"
  if ! cmake -S "$root" -B "$build" -G Ninja "${options[@]}" </dev/null >"$log" 2>&1; then
    show_failure "$log"
    fail "$EXIT_FAILED" "CMake could not configure the build (the end of its words is above)" \
      "where:    $log" "fix:      see the first error there; a fresh start: rm -rf $build"
  fi
  build_key >"$configured_stamp"
}

# show_progress LOG JOBS: ninja's lines into the log; on a terminal one live line, elsewhere a line
# at each quarter. Says nothing when nothing is built.
show_progress() {
  local line quarter=0 count total started=$SECONDS columns
  columns=$(tput cols 2>/dev/null) || columns=80
  while IFS= read -r line; do
    printf '%s\n' "$line"
    [[ $line =~ ^\[([0-9]+)/([0-9]+)\]\ (.*) && $line != *"] Re-"* ]] || continue
    count=${BASH_REMATCH[1]} total=${BASH_REMATCH[2]}
    if ((quarter == 0)); then
      quarter=1
      say "building with $2 jobs: $total steps (log: $1)"
    fi
    if [[ -t 2 ]]; then
      line="[$count/$total, $((SECONDS - started)) s] ${BASH_REMATCH[3]}"
      printf '\r\033[K%s' "${line:0:columns-1}" >&2
    elif ((count * 4 >= total * quarter && count < total)); then
      quarter=$((count * 4 / total + 1))
      say "built $count of $total in $((SECONDS - started)) s"
    fi
  done >"$1"
  ((quarter == 0)) || { [[ ! -t 2 ]] || printf '\r\033[K' >&2; }
  ((quarter == 0)) || say "build ended after $((SECONDS - started)) s"
}

run_ninja() {
  local log=$logs/build.log jobs fix
  jobs=$(build_jobs)
  if NINJA_STATUS='[%f/%t] ' ninja -C "$build" -j "$jobs" "$@" </dev/null 2>&1 9>&- |
    show_progress "$log" "$jobs"; then
    return
  fi
  if grep -q 'interrupted by user' "$log"; then
    say "build interrupted"
    exit 130
  fi
  show_failure "$log"
  fix="fix:      see the first error there; all commands: ninja -C $build -v"
  if grep -qE 'Killed|cannot allocate memory|virtual memory exhausted' "$log"; then
    fix="fix:      the compiler ran out of memory: try again with TRAINHOST_JOBS=1"
  fi
  fail "$EXIT_FAILED" "the build failed (its first error is above)" "where:    $log" "$fix"
}

# build_locked TARGET...: the stamp carries the time from before the build, so that a source
# changed meanwhile is seen next time.
build_locked() {
  configure
  build_key >"$built_stamp.new"
  run_ninja "$@"
  mv "$built_stamp.new" "$built_stamp"
}

# build_targets TARGET...: with all that is needed for it, from nothing.
build_targets() {
  "$root/scripts/bootstrap" --quiet-if-done
  set_up_ccache
  require_folder "$logs"
  (
    lock 9 "building in $build"
    build_locked "$@"
  ) 9>"$build/.lock"
}
