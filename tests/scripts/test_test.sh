#!/usr/bin/env bash
# scripts/test and .ci/run: what they build, what ctest gets, and where data comes from.
# shellcheck disable=SC2016
# shellcheck source=harness.sh
source "$(dirname "${BASH_SOURCE[0]}")/harness.sh"

with_libtorch() {
  fake_libtorch "$box/torch" 2.11.0
  variables=(TRAINHOST_LIBTORCH="$box/torch")
  stub ctest 'echo "data=${TRAINHOST_DATA:-none}"; exit ${CTEST_CODE:-0}'
  stub ccache 'echo "direct_cache_hit 3"'
}

with_archive() {
  mkdir -p "$box/shared/data" "$box/pack/dbbook2014"
  echo "0 1 2" >"$box/pack/dbbook2014/train.txt"
  tar -cJf "$box/shared/data/kgat-dbbook2014.tar.xz" -C "$box/pack" dbbook2014
}

case_builds_everything_and_runs_ctest() {
  with_libtorch
  run 0 scripts/test -R recipe
  called "all trainhost_product"
  called "ctest --test-dir $box/checkout/build --output-on-failure --no-tests=error"
  called "-R recipe"
  says "tests passed"
}

case_failed_tests_give_ctests_exit_code() {
  with_libtorch
  variables+=(CTEST_CODE=8)
  run 8 scripts/test
  says "tests FAILED"
  says "LastTest.log"
}

case_failed_build_runs_no_test() {
  with_libtorch
  stub ninja 'echo "FAILED: x"; exit 1'
  run 1 scripts/test
  not_called ctest
}

case_data_is_unpacked_once() {
  with_libtorch
  with_archive
  run 0 scripts/test
  says "unpacking kgat-dbbook2014.tar.xz"
  prints "data=$box/checkout/.deps/data"
  [[ $(<.deps/data/dbbook2014/train.txt) == "0 1 2" ]] || die "wrong data"
  [[ $(ls .deps/data) == dbbook2014 ]] || die "left behind: $(ls .deps/data)"
  rm -r "$box/shared"
  run 0 scripts/test
  prints "data=$box/checkout/.deps/data"
}

case_broken_archive_leaves_no_data() {
  with_libtorch
  with_archive
  echo broken >"$box/shared/data/kgat-dbbook2014.tar.xz"
  run 1 scripts/test
  says "could not unpack"
  [[ ! -e .deps/data/dbbook2014 ]] || die "half-made data"
}

case_named_data_is_used() {
  with_libtorch
  with_archive
  variables+=(TRAINHOST_DATA=/data)
  run 0 scripts/test
  prints "data=/data"
}

case_no_data_is_said_aloud() {
  with_libtorch
  run 0 scripts/test
  says "its tests are skipped"
  prints "data=none"
}

case_the_program_is_current_after_a_test_run() {
  with_libtorch
  run 0 scripts/test
  run 0 scripts/trainhost x
  not_called ninja
}

case_help_of_both() {
  run 0 scripts/test --help
  starts "usage: scripts/test [--peers] [ctest arguments]"
  run 0 .ci/run --help
  starts "usage: .ci/run [PHASE...]"
  not_called cmake
}

case_ci_times_its_phases() {
  with_libtorch
  run 0 .ci/run tests
  says "ci: bootstrap: "
  says "ci: build and tests: "
  says "ci: compiler cache: 0 hits"
}

case_ci_fails_when_a_test_does() {
  with_libtorch
  variables+=(CTEST_CODE=8)
  run 8 .ci/run tests
}

case_ci_hands_arguments_to_ctest() {
  with_libtorch
  run 0 .ci/run tests -- -R recipe
  called "-R recipe"
}

# The sources that git would list, and a formatter that is content or not.
with_sources() {
  stub git 'printf "host/main.cpp\0gone.cpp\0"'
  stub clang-format-14 'exit ${FORMAT_CODE:-0}'
}

case_ci_runs_a_phase_alone() {
  with_libtorch
  with_sources
  run 0 .ci/run format
  says "ci: format: "
  called "clang-format-14 --dry-run --Werror host/main.cpp"
  not_called ctest
}

case_ci_goes_on_after_a_failed_phase() {
  with_libtorch
  with_sources
  variables+=(FORMAT_CODE=1)
  run 1 .ci/run format tests
  says "clang-format would change the files above"
  says "ci: build and tests: "
}

case_ci_installs_the_tools_of_its_checks() {
  with_libtorch
  with_sources
  stub dpkg-query 'shift 3; for name; do [[ $name == clang-16 ]] || echo "$name installed"; done'
  run 0 .ci/run format
  called "--no-install-recommends clang-16"
  run 0 .ci/run tests
  not_called apt-get
}

case_ci_refuses_an_unknown_phase() {
  run 2 .ci/run test
  says "unknown phase test"
}

run_cases "$1"
