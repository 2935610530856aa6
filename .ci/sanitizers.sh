# The phases asan and tsan: which programs, which runs, and with which options. Sourced by run.
# shellcheck shell=bash disable=SC2154  # root, build, ci_cache: run and what it sources

# Left to the release build: tests of scripts, of what is installed and of many kills; whole programs
# that take minutes here; one that loads libstdc++ into name spaces of their own, whose memory for
# exceptions is never given back. Single cases are left out by the preset asan in CMakePresets.json:
# those that take minutes, two that load plugins without LibTorch at hand, which instrumented ones
# need (the check of a virtual call refers to the class), and what counts or limits memory, of which
# the sanitizers take their own share.
readonly ASAN_LEFT_OUT='^scripts: |^third party|^gpu_check|^checkpoint_kill|^transformer_run|^prove_run|^kgat_run|^claims_run'

export_sanitizer_options() {
  # Tests look at how a rank dies: its SIGSEGV stays one.
  # What a test asks for on purpose is too much for the sanitizers' allocators too.
  export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_init_order=1:handle_segv=0:allocator_may_return_null=1
  export UBSAN_OPTIONS=print_stacktrace=1
  export TSAN_OPTIONS=ignore_noninstrumented_modules=1:halt_on_error=1:allocator_may_return_null=1
  # OpenMP's own synchronisation is invisible to the thread sanitizer.
  export OMP_NUM_THREADS=1
}

write_tiny_recipe() {
  cat >"$1" <<'EOF'
local scale = require "trainhost.scale"
return {
  name = "tiny",
  model = { "tiny", rows = 37 },
  devices = { "cpu", count = 2 },
  strategy = "ddp",
  optimizer = { "adam", lr = 1e-2 },
  train = { epochs = 2, batch = 12, accumulate = 2, clip_norm = 0.5, seed = 5, log_every = 1 },
  scaling = { batch = scale.global },
}
EOF
}

# real_run PRESET ARGUMENT...: the program of that build, in the folder $work.
real_run() {
  local preset=$1 status=0
  shift
  (cd "$work" && TRAINHOST_PLUGIN_PATH=$root/build/$preset/libexec/check-plugin \
    timeout 300 "$root/build/$preset/bin/trainhost" "$@") >"$work/log" 2>&1 || status=$?
  ((status == 0)) || {
    tail -n 60 "$work/log" >&2
    fail "$EXIT_FAILED" "a run under $preset failed" "got:      exit code $status (its words are above)" \
      "fix:      again: .ci/run $preset"
  }
  say "$preset: trainhost $*: fine"
}

with_work_folder() {
  work=$(mktemp -d)
  # shellcheck disable=SC2064
  trap "rm -rf '$work'" EXIT
  write_tiny_recipe "$work/tiny.lua"
}

check_asan() {
  local strategy plugin
  export_sanitizer_options
  build_preset asan all
  ctest --test-dir build/asan --output-on-failure --no-tests=error -j "$(usable_cores)" \
    -E "$ASAN_LEFT_OUT" -LE conformance || fail "$EXIT_FAILED" "tests failed under the sanitizers" \
      "where:    build/asan/Testing/Temporary/LastTest.log" "fix:      again: .ci/run asan"
  with_work_folder
  real_run asan "$root/recipes/quickstart.lua" train.max_steps=40 --run-dir quickstart
  for strategy in ddp dp zero1 zero2 zero3; do
    real_run asan tiny.lua "strategy=$strategy" --run-dir "$strategy"
  done
  real_run asan tiny.lua strategy=single devices=1 --run-dir single
  real_run asan resume ddp train.epochs=3
  real_run asan prove tiny.lua --world 2 --steps 2
  for plugin in cpu ddp dp single zero1 zero2 zero3 kgat; do
    real_run asan check-plugin "$root/build/asan/plugins/$plugin.so" --quick
  done
}

check_tsan() {
  local strategy program
  export_sanitizer_options
  build_preset tsan trainhost trainhost_rank cpu cpu_probe cuda_probe xpu_probe ddp dp single zero1 zero2 \
    zero3 tiny bert_text_test cpu_threads cuda_threads cpu_units sbert_data_test telemetry_test train_unit
  for program in cpu_threads cuda_threads telemetry_test train_unit; do
    timeout 300 "build/tsan/bin/$program" || fail "$EXIT_FAILED" "$program failed under tsan" \
      "fix:      again: .ci/run tsan"
  done
  timeout 300 build/tsan/bin/cpu_units "jobs*,an error belongs*,a closed queue*" ||
    fail "$EXIT_FAILED" "cpu_units failed under tsan" "fix:      again: .ci/run tsan"
  for program in bert_text_test sbert_data_test; do
    timeout 300 "build/tsan/bin/$program" "many texts*,an error in a thread*,threads that ask*" ||
      fail "$EXIT_FAILED" "$program failed under tsan" "fix:      again: .ci/run tsan"
  done
  with_work_folder
  for strategy in dp ddp; do
    real_run tsan tiny.lua "strategy=$strategy" train.workers=2 --run-dir "$strategy"
  done
  # One process with virtual ranks, as threads that take turns, besides the others.
  real_run tsan prove tiny.lua --world 3 --steps 2 --quick
}
