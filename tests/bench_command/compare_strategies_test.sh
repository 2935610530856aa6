#!/usr/bin/env bash
# The wrapper hands its options to `trainhost bench` as the script's own.
set -euo pipefail
root=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/scripts"
cp -r "$root/scripts/lib" "$root/scripts/compare_strategies" "$root/scripts/compare_strategies.lua" "$work/scripts"
printf '#!/bin/bash\nprintf "%%s|" "$@"\n' >"$work/scripts/trainhost"
chmod +x "$work/scripts/trainhost"

expect() {
  [[ $2 == "$3" ]] && return
  printf '%s\n  expected: %s\n  got:      %s\n' "$1" "$3" "$2" >&2
  exit 1
}
script=$work/scripts/compare_strategies.lua
run() { "$work/scripts/compare_strategies" "$@"; }

expect "all options" "$(run --data-dir 'a b' --devices 2 --batch-size 64 --max-epochs 3 --strategies ddp deepspeed_stage_2 --model sbert)" \
  "bench|$script|data_dir=a b|devices=2|batch_size=64|max_epochs=3|strategies=ddp,deepspeed_stage_2|model=sbert|"
expect "bench's own" "$(run --fresh --out here --json r.json --repeats=4)" \
  "bench|$script|--fresh|--out|here|--json|r.json|repeats=4|"
expect "none" "$(run)" "bench|$script|"
[[ $(run --help) == usage:* ]] || expect help "$(run --help)" "usage: …"
code=0
run --devices 2>/dev/null || code=$?
expect "an option without its value" "$code" 2
code=0
run ddp 2>/dev/null || code=$?
expect "a stray word" "$code" 2
