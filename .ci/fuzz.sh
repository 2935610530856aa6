# The phase fuzz: every target of tests/fuzz for a while, two at a time. Sourced by run.
# shellcheck shell=bash disable=SC2154  # root, build, ci_cache: run and what it sources

# More inputs than this are taken for rubbish, and the kept corpus is started from again.
readonly FUZZ_MOST_INPUTS=5000

# fuzz_failed NAME LOG: what is needed to see it again, from the log alone.
fuzz_failed() {
  local name=$1 log=$2 input
  tail -n 60 "$log" >&2
  for input in "build/fuzz/found/$name-"*; do
    [[ -f $input ]] || continue
    printf 'fuzz: %s: the input, for "base64 -d >INPUT":\n' "$name" >&2
    base64 "$input" >&2
    printf 'fuzz: again: build/fuzz/bin/fuzz_%s %s\n' "$name" "$input" >&2
    printf 'fuzz: once mended: mv %s tests/fuzz/corpus/%s/WHAT-IT-IS\n' "$input" "$name" >&2
  done
}

# fuzz_one NAME: leaves its log in build/fuzz/found/NAME.log.
fuzz_one() {
  local name=$1 kept=$ci_cache/fuzz/$1 log=build/fuzz/found/$1.log status=0
  mkdir -p "$kept"
  if (($(find "$kept" -type f | wc -l) > FUZZ_MOST_INPUTS)); then
    rm -rf "$kept"
    mkdir -p "$kept"
  fi
  rm -f "build/fuzz/found/$name-"*
  # Leaks are found too (-detect_leaks is libFuzzer's default). A time-out is ten seconds for one
  # input of at most 64 kB.
  "build/fuzz/bin/fuzz_$name" -max_total_time="${FUZZ_SECONDS:-60}" -timeout=10 -rss_limit_mb=2048 \
    -max_len=65536 -close_fd_mask=1 -print_final_stats=1 \
    -artifact_prefix="build/fuzz/found/$name-" "$kept" "tests/fuzz/corpus/$name" \
    >"$log" 2>&1 </dev/null || status=$?
  ((status)) && return "$status"
  say "fuzz: $name: $(grep -a '^stat::number_of_executed_units' "$log" | tr -dc 0-9) inputs, clean"
}

check_fuzz() {
  local names=() name failed=() pid
  export ASAN_SYMBOLIZER_PATH UBSAN_OPTIONS=print_stacktrace=1
  ASAN_SYMBOLIZER_PATH=$(command -v llvm-symbolizer-16) || unset ASAN_SYMBOLIZER_PATH
  build_preset fuzz fuzz_targets
  mkdir -p build/fuzz/found
  mapfile -t names < <(cd tests/fuzz/corpus && ls)
  for name in "${names[@]}"; do
    [[ -x build/fuzz/bin/fuzz_$name ]] ||
      fail "$EXIT_FAILED" "no fuzz target for tests/fuzz/corpus/$name"
  done
  declare -A of=()
  while ((${#names[@]} || ${#of[@]})); do
    while ((${#names[@]} && ${#of[@]} < $(build_jobs))); do
      fuzz_one "${names[0]}" &
      of[$!]=${names[0]}
      names=("${names[@]:1}")
    done
    pid=
    wait -n -p pid || failed+=("${of[$pid]}")
    unset "of[$pid]"
  done
  for name in "${failed[@]}"; do fuzz_failed "$name" "build/fuzz/found/$name.log"; done
  ((${#failed[@]} == 0)) || fail "$EXIT_FAILED" "fuzzing found something in: ${failed[*]}"
}
