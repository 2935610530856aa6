# The phases that read the sources: format and tidy. Sourced by run.
# shellcheck shell=bash disable=SC2154  # root, build, ci_cache: run and what it sources

check_format() {
  local files
  # What is about to be committed counts too.
  mapfile -d '' -t files < <(git ls-files -z -co --exclude-standard -- '*.cpp' '*.h' '*.cu' |
    while IFS= read -r -d '' file; do [[ ! -f $file ]] || printf '%s\0' "$file"; done)
  ((${#files[@]})) || fail "$EXIT_FAILED" "no sources found in $root"
  clang-format-14 --dry-run --Werror "${files[@]}" ||
    fail "$EXIT_FAILED" "clang-format would change the files above" \
      "fix:      clang-format-14 -i FILE"
  say "${#files[@]} files are formatted"
}

# check_tidy [FILE...]: what each file includes is known once it is built.
check_tidy() {
  build_targets all
  python3 .ci/tidy.py "$build" --jobs "$(build_jobs)" --cache "$ci_cache/tidy" "$@"
}

# build_preset NAME TARGET...: into build/NAME, whose log is shown where it fails.
build_preset() {
  local name=$1 log=$root/build/$1.log
  shift
  mkdir -p "$root/build"
  if ! cmake --preset "$name" "-DTRAINHOST_LIBTORCH=${TRAINHOST_LIBTORCH:-}" >"$log" 2>&1 ||
    ! NINJA_STATUS='[%f/%t, %e s] ' ninja -C "build/$name" -j "$(build_jobs)" "$@" >"$log" 2>&1; then
    show_failure "$log"
    fail "$EXIT_FAILED" "the $name build failed (its first error is above)" "where:    $log"
  fi
  say "$name build: $(tail -n 1 "$log" | cut -c -120)"
}
