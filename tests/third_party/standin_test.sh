#!/usr/bin/env bash
# A device of a stranger's, a pretended accelerator, from an empty prefix: it conforms, trains like the
# CPU, and its runs go on with other devices where it fails.
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

# summary RUN KEY TEXT: the member of summary.json is, or begins with, TEXT
summary() {
  grep -qE "^ *\"$2\": \"?$3" "$1/summary.json" || { cat "$1/summary.json" >&2 && fail "$1: $2 is not $3"; }
}

trains_like_the_cpu() {
  local strategy
  runs 0 "done in" trainhost standin_kgat.lua --run-dir kgat
  summary kgat device org.example.standin
  summary kgat fallback null
  runs 0 "done in" trainhost standin_kgat.lua 'devices={"cpu", count = 2}' --run-dir kgat-cpu
  same_losses kgat kgat-cpu

  runs 0 "done in" trainhost standin_encoder.lua 'devices={"cpu", count = 2}' --run-dir encoder-cpu
  for strategy in ddp dp zero2 '{"zero3", resident_parameters = 0}' \
    '{"zero3", resident_parameters = 0, offload_optimizer = true, offload_parameters = true}'; do
    rm -rf encoder
    runs 0 "done in" trainhost standin_encoder.lua "strategy=$strategy" --run-dir encoder
    same_losses encoder encoder-cpu
  done
  runs 0 "done in" trainhost standin_encoder.lua train.activation_checkpointing=all --run-dir recomputed
  same_losses recomputed encoder-cpu
  runs 0 "every bit" trainhost prove standin_encoder.lua --quick
  # By the last part of its id, where its folder is known.
  TRAINHOST_PLUGIN_PATH=$PWD/build runs 0 "standin: 1 rank" \
    trainhost standin_encoder.lua 'devices={"standin", count = 1}' train.max_steps=1 --run-dir by-id

  # Memory that is small halves the micro-batch, and changes nothing else.
  runs 0 "done in" trainhost standin_encoder.lua 'devices={"cpu", count = 2}' train.batch=512 train.max_steps=4 --run-dir roomy
  STANDIN_MEMORY_MB=12 runs 0 "out of memory; the micro-batch is halved, 256 → 128 rows a rank" \
    trainhost standin_encoder.lua train.batch=512 train.max_steps=4 --run-dir small
  same_losses small roomy

  # A checkpoint moves to the CPU, and to other ranks there.
  runs 0 "done in" trainhost standin_encoder.lua train.max_steps=6 --run-dir moved
  runs 0 "done in" trainhost resume moved devices=cpu train.max_steps=12
  summary moved device cpu
  same_losses moved encoder-cpu
}

# falls_back CHAIN VARIABLE=VALUE... -- [words of the recipe]: the run ends well after that chain
falls_back() {
  local chain=$1 settings=()
  shift
  while [[ $1 != -- ]]; do
    settings+=("$1")
    shift
  done
  shift
  rm -rf fallen
  runs 0 "$chain" env "${settings[@]}" trainhost standin_encoder.lua train.max_steps=1 "$@" --run-dir fallen
  grep -qF "$chain" fallen/log.txt || fail "log.txt does not say: $chain"
  grep -F '"fallback"' fallen/summary.json | grep -qF "$chain" || fail "summary.json does not say: $chain"
}

# refuses TEXT VARIABLE=VALUE... -- [words of the recipe]: exit code 4, saying TEXT
refuses() {
  local text=$1 settings=()
  shift
  while [[ $1 != -- ]]; do
    settings+=("$1")
    shift
  done
  shift
  rm -rf refused
  runs 4 "$text" env "${settings[@]}" trainhost standin_encoder.lua train.max_steps=1 "$@" --run-dir refused
}

goes_on_with_what_is_left() {
  local device=org.example.standin
  local alone='devices={"build/standin.so", count = 2}'

  # What the probe says.
  falls_back "$device: no stand-in driver → cpu: 2 ranks" STANDIN_DRIVER=none --
  falls_back "$device: the stand-in driver is too old: it serves 1.0, this plugin needs 2.0 → cpu: 2 ranks" STANDIN_DRIVER=old --
  falls_back "$device: the stand-in driver lacks a library: libstandin_math.so.1 → cpu: 2 ranks" STANDIN_DRIVER=incomplete --
  refuses "no stand-in driver fix: let the recipe fall back" STANDIN_DRIVER=none -- "$alone"

  # What opening says: one of two, then both, as processes and as threads.
  falls_back "$device: device 1: it is busy (STANDIN_BUSY lists it) → $device: 1 rank" STANDIN_BUSY=1 --
  summary fallen ranks 1
  falls_back "$device: device 0: it is busy (STANDIN_BUSY lists it) → $device: 1 rank" STANDIN_BUSY=0 -- strategy=dp
  falls_back "it is busy (STANDIN_BUSY lists it) → cpu: 2 ranks" STANDIN_BUSY=0,1 --
  summary fallen device cpu
  summary fallen ranks 2
  falls_back "$device: device 1: out of memory: cannot open it (0 MiB free of 0 MiB" STANDIN_FULL=1 --
  falls_back "→ cpu: 2 ranks" STANDIN_FULL=0,1 -- strategy=zero2
  falls_back "$device: devices 0, 1 cannot be connected: there is no way from device to device" STANDIN_APART=1 --
  summary fallen ranks 1
  falls_back "$device: devices 0, 1 cannot be connected" STANDIN_APART=1 -- strategy=dp

  # The largest batch is sought on the device that opens.
  falls_back "$device: device 1: it is busy" STANDIN_BUSY=1 STANDIN_MEMORY_MB=64 -- train.batch=auto 'scaling={}'

  # The same where the recipe allows nothing else, and where training has begun.
  refuses "it is busy got: STANDIN_BUSY lists it fix: take it out of STANDIN_BUSY" STANDIN_BUSY=1 -- "$alone"
  refuses "out of memory: cannot open it" STANDIN_FULL=0,1 -- "$alone"
  refuses "the device has no memory left" STANDIN_MEMORY_MB=1 -- model.encoder.hidden=256
  summary refused device "$device"
}

main() {
  install_moved
  cp -r "$source_folder/tests/third_party/standin" "$work/standin"
  hide_our_folders
  build "$work/standin"
  cd "$work/standin"
  runs 0 "100% tests passed" ctest --test-dir build --output-on-failure
  runs 0 "org.example.standin:1 stand-in" trainhost plugins --devices --plugin build/standin.so
  STANDIN_DRIVER=old runs 0 "the stand-in driver is too old" trainhost plugins --plugin build/standin.so
  trains_like_the_cpu
  goes_on_with_what_is_left
}

main
