#!/usr/bin/env bash
# gpu_check_test.sh SCRIPT TREE: scripts/gpu_check on the CPU, without a GPU, and with parts that fail.
set -euo pipefail
script=$1 tree=$2
box=$(mktemp -d)
trap 'rm -rf "$box"' EXIT
cd "$box"
# A graph of seconds.
tiny=(data.synthetic.users=150 data.synthetic.items=80 data.synthetic.entities=120
  data.synthetic.triples=400 data.synthetic.interactions=2500 data.synthetic.communities=5
  model.pretrain.epochs=3 train.batch=256)

die() {
  printf 'FAILED: %s\n' "$*" >&2
  cat "$box/out" >&2
  exit 1
}

# run CODE ARGUMENT...
run() {
  local expected=$1 code=0
  shift
  "$script" "$@" >"$box/out" 2>&1 </dev/null || code=$?
  ((code == expected)) || die "exit code $code instead of $expected: $*"
}
says() { grep -qF -- "$1" "$box/out" || die "does not say: $1"; }
reports() { grep -qE -- "$1" report/report.json || die "the report lacks: $1"; }

# All parts on the CPU.
run 0 --prefix "$tree" --device cpu --out report "${tiny[@]}"
for part in facts doctor devices conformance operators train encoder equality ranks threads prove scaler killed \
  memory speed; do
  reports "\"part\": \"$part\", \"passed\": true"
done
# What is not given, or not for a CPU, is skipped aloud.
for part in backoff kgat_peer encoder_peer; do reports "\"part\": \"$part\", \"passed\": null"; done
says "--peers, --repo and --data are not all given"
reports '^\{"device": "cpu", "passed": true, "exit_code": 0'
if command -v python3 >/dev/null; then python3 -m json.tool report/report.json >/dev/null || die "no JSON"; fi

# The composition of ATen operations, which is what a GPU runs.
run 0 --prefix "$tree" --device cpu --out report --only equality "${tiny[@]}" model.kernels=aten
reports 'largest relative difference of [0-9]+ losses'

# A part fails alone: a trainhost whose ranks are lost under ddp with two of them.
mkdir -p fake/bin fake/plugins
ln -s "$tree"/plugins/*.so fake/plugins/
cat >fake/bin/trainhost <<END
#!/usr/bin/env bash
if [[ "\$*" == *strategy=ddp* ]]; then echo 'error: rank 1 "was" lost' >&2; exit 5; fi
if [[ "\$*" == *devices=cpu*devices.count=1* && -n "\${WRONG:-}" ]]; then set -- "\$@" optimizer.lr=0.1; fi
exec "$tree/bin/trainhost" "\$@"
END
chmod +x fake/bin/trainhost
recipe=$(ls "$tree"/share/trainhost/recipes/quickstart.lua)
run 1 --prefix fake --recipe "$recipe" --device cpu --out report --only ranks,threads "${tiny[@]}"
says 'rank 1 "was" lost'
reports '"part": "ranks", "passed": false, "exit_code": 5'
reports '"part": "threads", "passed": true'

# Results that differ are found.
WRONG=1 run 1 --prefix fake --recipe "$recipe" --device cpu --out report --only threads "${tiny[@]}"
says "largest relative difference"

# Memory is held against the claims: a trainhost with a GPU, whose runs need what PEAK says of 100 MB.
mkdir -p gpu/bin gpu/plugins
ln -s "$tree"/plugins/*.so gpu/plugins/
cat >gpu/bin/trainhost <<'END'
#!/usr/bin/env bash
if [[ $1 == plugins ]]; then printf 'cuda  device  0.1.0  yes\n      0  GPU A\n'; exit 0; fi
peak=100
while (($# > 0)); do
  [[ $1 != strategy=zero3 ]] || peak=$PEAK
  [[ $1 != --run-dir ]] || run=$2
  shift
done
mkdir -p "$run"
cat >"$run/summary.json" <<JSON
{"device": "cuda", "peak_memory_mb": [
    90.5,
    $peak
  ],
 "claims": {"parameters": 1, "sum": 104857600, "traffic": {"pairs": 3}}}
JSON
END
chmod +x gpu/bin/trainhost
for peak in 104.9 95.1; do
  PEAK=$peak run 0 --prefix gpu --recipe "$recipe" --out report --only memory
  reports '"part": "memory", "passed": true'
  says "% off the claims, allowed 5 %"
done
for peak in 105.2 94.8; do
  PEAK=$peak run 1 --prefix gpu --recipe "$recipe" --out report --only memory
  reports '"part": "memory", "passed": false'
  says "at most 5.2 % off the claims, allowed 5 %"
done

# Without a GPU: one reason.
if ! command -v nvidia-smi >/dev/null; then
  run 4 --prefix "$tree" --out report
  says "the device cuda cannot be used here: no NVIDIA driver"
  reports '"why_not": "cannot be used: no NVIDIA driver'
fi

# Misuse.
run 2 --device tpu
says "--device is cuda or cpu"
run 2 --only sped
says "there is no part 'sped'"
run 2 --prefix "$box/nowhere"
says "no trainhost to check"
run 2 --frobnicate
mkdir -p precious && touch precious/thesis.txt
run 2 --prefix "$tree" --device cpu --out precious
[[ -f precious/thesis.txt ]] || die "a folder was emptied"
run 0 --help
echo "all right"
