#!/usr/bin/env bash
# A strategy of a stranger's, DiLoCo, from an empty prefix: it conforms, resumes to the same bits, and
# trains KGAT and a sentence encoder about as well as ddp with a twentieth of its traffic.
# shellcheck source-path=SCRIPTDIR source=harness.sh
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/harness.sh"

# losses RUN: "objective step loss" a line
losses() { sed -nE 's/.*"step":([0-9]+),"objective":"([a-z]+)","loss":([^,]+),.*/\2 \1 \3/p' "$1/metrics.jsonl"; }

# Of ratios.tsv: recipe, strategy, traffic and metric as parts of ddp's.
converges_with_a_twentieth() {
  awk -F '\t' '
    { seen++ }
    $2 == "ddp" { next }
    $3 > 0.0505 || $4 < ($2 ~ /momentum/ ? 0.8 : 0.9) { print; bad = 1 }
    END { exit bad || seen != 8 }' "$1" || { cat "$1" >&2 && fail "too much traffic, or no convergence"; }
}

main() {
  install_moved
  cp -r "$source_folder/tests/third_party/diloco" "$work/diloco"
  hide_our_folders
  build "$work/diloco"
  cd "$work/diloco"
  runs 0 "100% tests passed" ctest --test-dir build --output-on-failure
  runs 2 '"exact": false' trainhost prove diloco_kgat.lua

  runs 0 "" trainhost bench compare.lua --out compared
  converges_with_a_twentieth compared/ratios.tsv

  # In the middle of a round, on other ranks' heels, and from another strategy.
  local short=(train.epochs=1 train.max_steps=30 strategy.inner_steps=7)
  runs 0 "done in" trainhost diloco_kgat.lua "${short[@]}" --run-dir whole
  runs 0 "done in" trainhost diloco_kgat.lua "${short[@]}" train.max_steps=10 --run-dir part
  runs 0 "done in" trainhost resume part train.max_steps=30
  diff <(losses whole) <(losses part) >&2 || fail "a resumed run has other losses"
  (($(losses whole | wc -l) >= 3)) || fail "too few losses to compare"
  runs 0 "done in" trainhost resume part train.max_steps=33 devices=4
  runs 0 "done in" trainhost resume part train.max_steps=36 strategy=ddp
  runs 0 "done in" trainhost resume part train.max_steps=39 strategy=build/diloco.so
}

main
