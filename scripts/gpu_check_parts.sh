# The parts of gpu_check, which sources this file.
# shellcheck shell=bash disable=SC2034,SC2154,SC2317
#
# A part prints its log; the last line of it that starts with "= " is its summary, lines that start
# with "> " go to the report. It returns 0, SKIPPED, or anything else for a failure.

# run NAME DEVICE RANKS [ARGUMENT...]: trains into runs/NAME.
run() {
  local name=$1 where=$2 ranks=$3 sharing=''
  shift 3
  local -a arguments=("devices=$where")
  if [[ $where == cpu ]]; then
    arguments+=("devices.count=$ranks")
  else
    arguments+=("devices.count=1")
    sharing=$ranks
  fi
  TRAINHOST_SHARE_DEVICES=$sharing "$trainhost" "$recipe" "${arguments[@]}" \
    "train.epochs=$epochs" train.log_every=1 "${settings[@]}" "$@" --run-dir "$out/runs/$name"
}

# value FILE KEY: a number of a flat JSON text.
value() { sed -n "s/.*\"$2\": *\\([-+.0-9eE]*\\).*/\\1/p" "$1" | head -n 1; }

# compare A B: the largest relative difference of the losses of two runs, step by step.
compare() {
  awk -v tolerance="$TOLERANCE" '
    function field(name, pattern) {
      if (!match($0, "\"" name "\": *" pattern)) return ""
      text = substr($0, RSTART, RLENGTH)
      sub(/^"[^"]*": */, "", text)
      return text
    }
    /"loss"/ {
      key = field("epoch", "[0-9]+") " " field("objective", "\"[^\"]*\"") " " field("step", "[0-9]+")
      loss = field("loss", "[-+.0-9eE]+")
      if (loss == "") { print "step " key " has no loss"; odd++; next }
      loss += 0
      if (FNR == NR) { first[key] = loss; steps++; next }
      if (!(key in first)) { print "step " key " is in the second run alone"; odd++; next }
      seen++
      difference = first[key] - loss
      if (difference < 0) difference = -difference
      size = first[key] < 0 ? -first[key] : first[key]
      if (size < 1e-12) size = 1e-12
      if (difference / size > worst) { worst = difference / size; at = key }
    }
    END {
      if (steps == 0 || seen != steps || odd > 0) {
        print "= the runs have different steps: " steps + 0 " and " seen + odd
        exit 1
      }
      printf "= largest relative difference of %d losses: %.2g (at %s), allowed %g\n", steps, worst,
        at == "" ? "none" : at, tolerance
      exit !(worst <= tolerance)
    }' "$out/runs/$1/metrics.jsonl" "$out/runs/$2/metrics.jsonl"
}

# needs NAME...: the runs that a part compares; made by earlier parts, or now.
needs() {
  local name
  for name; do
    [[ -f $out/runs/$name/summary.json ]] && continue
    case $name in
      device) run device "$device" 1 || return ;;
      cpu) run cpu cpu 1 "${reference[@]}" || return ;;
    esac
  done
}

part_facts() {
  uname -srm
  grep -m 1 'model name' /proc/cpuinfo
  "$trainhost" --version
  if command -v nvidia-smi >/dev/null; then
    nvidia-smi --query-gpu=index,name,driver_version,memory.total,memory.used,compute_cap,compute_mode \
      --format=csv || return
    nvidia-smi | grep -o 'CUDA Version: [0-9.]*'
  else
    echo "nvidia-smi is not installed"
  fi
  command -v python3 >/dev/null && python3 -c '
import importlib.metadata as m
for name in ("torch", "nvidia-nccl-cu13", "nvidia-cuda-runtime"):
    try: print(name, m.version(name))
    except m.PackageNotFoundError: print(name, "is not installed")' 2>/dev/null
  echo "= $(uname -sm), $("$trainhost" --version 2>/dev/null | head -n 1)"
}

part_doctor() {
  local code=0
  "$trainhost" doctor || code=$?
  echo "= exit code $code"
  ((code < 126))
}

part_devices() {
  local text
  text=$("$trainhost" plugins --devices) || return
  printf '%s\n' "$text"
  # The line of the plugin, then its devices, or the reason why there are none.
  awk -v id="$device" '
    $1 == id { found = 1; usable = $4; next }
    found == 1 && /^      / { if (note == "") { note = $0; sub(/^ +/, "", note) } next }
    found == 1 { found = 2 }
    END {
      if (!found) note = "no plugin of that kind is installed"
      print "= " (usable == "yes" ? note : "cannot be used: " note)
      exit usable != "yes"
    }' <<<"$text"
}

part_conformance() {
  local how=()
  # The CPU's own tests run all of it.
  [[ $device != cpu ]] || how=(--quick)
  "$trainhost" check-plugin "$plugins/$device.so" "${how[@]}"
}

part_train() {
  run device "$device" 1 || return
  local file=$out/runs/device/summary.json recall baseline
  recall=$(value "$file" recall@20)
  baseline=$(awk '/"baseline"/ { on = 1 } on' "$file" | sed -n 's/.*"recall@20": *\([-+.0-9eE]*\).*/\1/p' | head -n 1)
  grep -q "\"device\": \"$device\"" "$file" || { echo "= it did not run on $device"; return 1; }
  echo "= recall@20 $recall, popularity $baseline"
  awk -v a="$recall" -v b="$baseline" 'BEGIN { exit !(a != "" && b != "" && a + 0 > b + 0) }'
}

part_equality() { needs device cpu && compare cpu device; }

part_ranks() {
  needs device && run ranks "$device" 2 strategy=ddp train.timeout=60 && compare device ranks
}

part_threads() {
  needs device && run threads "$device" 2 strategy=dp train.timeout=60 && compare device threads
}

# skip WHY
skip() {
  echo "= skipped: $1"
  return "$SKIPPED"
}

# on_device RANKS COMMAND...: a command of trainhost with the device shared by so many ranks.
on_device() {
  local ranks=$1
  shift
  if [[ $device == cpu ]]; then
    "$trainhost" "$@" devices=cpu "devices.count=$ranks"
  else
    TRAINHOST_SHARE_DEVICES=$ranks "$trainhost" "$@" "devices=$device" devices.count=1
  fi
}

# libraries: the folders of LibTorch and of what its CUDA half needs, as a library path.
libraries() {
  local place torch=''
  for place in "${TRAINHOST_LIBTORCH:-}" "$(cat "$prefix/share/trainhost/libtorch.path" 2>/dev/null)" \
    "$(python3 -c 'import importlib.util as u; print(list(u.find_spec("torch").submodule_search_locations)[0])' 2>/dev/null)"; do
    [[ -n $place && -f $place/lib/libtorch_cpu.so ]] && torch=$place && break
  done
  [[ -n $torch ]] || return 1
  printf '%s' "$torch/lib"
  for place in "$torch"/../nvidia/*/lib; do [[ ! -d $place ]] || printf ':%s' "$place"; done
}

part_operators() {
  local program=$prefix/libexec/trainhost-operators path kernels=$plugins/kernels/kgat_cuda.so
  [[ -x $program ]] || { skip "there is no libexec/trainhost-operators"; return; }
  path=$(libraries) || { skip "LibTorch's folder is not known; set TRAINHOST_LIBTORCH"; return; }
  LD_LIBRARY_PATH=$path${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} "$program" --device "$device" \
    --kernels "$kernels"
}

part_encoder() {
  local encoder=${recipe%/*}/sbert_quickstart.lua file=$out/runs/encoder/summary.json score short=()
  [[ -f $encoder ]] || { skip "there is no sbert_quickstart.lua beside the recipe"; return; }
  # A CPU is to show that the part works, which a short epoch does.
  [[ $device != cpu ]] || short=(train.epochs=1 data.synthetic.rows=1000)
  on_device 1 "$encoder" train.log_every=1 "${short[@]}" --run-dir "$out/runs/encoder" || return
  score=$(value "$file" generated_spearman_cosine)
  echo "= Spearman $score on pairs that were not seen"
  awk -v a="$score" 'BEGIN { exit !(a != "" && a + 0 > 0.1) }'
}

part_prove() {
  local json=$out/prove.json
  on_device 2 prove "$recipe" --world 2 --steps 2 --quick --json "${settings[@]}" >"$json" || {
    cat "$json"
    return 1
  }
  cat "$json"
  grep -q '"equal": *true' "$json" || return 1
  echo "= equal in every bit: $(grep -o '"strategy": *"[^"]*"' "$json" | sed 's/.*: *//' | tr -d '"' | paste -sd' ')"
}

# The largest relative difference of the mean losses of the epochs, which rounding to 16 bits moves.
part_scaler() {
  local tolerance=0.05
  needs device && run scaler "$device" 1 precision=fp16 || return
  ! grep -qi 'nan' <(grep -o '"loss": *[^,}]*' "$out/runs/scaler/metrics.jsonl") ||
    { echo "= a loss is not a number"; return 1; }
  TOLERANCE=$tolerance compare_loosely device scaler "$tolerance"
}

# compare_loosely A B TOLERANCE: the means of all losses by objective.
compare_loosely() {
  awk -v tolerance="$3" '
    match($0, /"objective": *"[^"]*"/) {
      name = substr($0, RSTART, RLENGTH)
      if (!match($0, /"loss": *[-+.0-9eE]+/)) next
      text = substr($0, RSTART, RLENGTH)
      sub(/^"loss": */, "", text)
      if (FNR == NR) { sum[name] += text; count[name]++ } else { other[name] += text; n[name]++ }
    }
    END {
      for (name in sum) {
        if (!n[name]) { print "= " name " has no losses"; exit 1 }
        a = sum[name] / count[name]; b = other[name] / n[name]
        d = a > b ? (a - b) / a : (b - a) / a
        if (d > worst) worst = d
      }
      printf "= largest relative difference of mean losses: %.2g, allowed %g\n", worst, tolerance
      exit !(worst <= tolerance)
    }' "$out/runs/$1/metrics.jsonl" "$out/runs/$2/metrics.jsonl"
}

# A batch that no GPU holds: attention of 16 million sentences at once.
part_backoff() {
  local encoder=${recipe%/*}/sbert_quickstart.lua
  "$trainhost" describe "$recipe" train.on_out_of_memory=halve >"$out/backoff.describe" 2>&1 ||
    { skip "this trainhost has no train.on_out_of_memory"; return; }
  [[ $device != cpu ]] || { skip "the CPU's memory is not filled up for a check"; return; }
  [[ -f $encoder ]] || { skip "there is no sbert_quickstart.lua beside the recipe"; return; }
  # 600 MiB of the card, and a batch that takes several gigabytes.
  local total
  total=$(nvidia-smi --query-gpu=memory.total --format=csv,noheader,nounits -i 0 2>/dev/null | head -n 1)
  [[ $total =~ ^[0-9]+$ ]] || { skip "nvidia-smi does not tell the GPU's memory"; return; }
  PYTORCH_CUDA_ALLOC_CONF=per_process_memory_fraction:$(awk -v t="$total" 'BEGIN { printf "%.4f", 600 / t }') \
    on_device 1 "$encoder" train.batch=8192 train.epochs=1 train.on_out_of_memory=halve \
    data.synthetic.rows=16384 --run-dir "$out/runs/backoff" 2>&1 | tee "$out/backoff.log"
  ((PIPESTATUS[0] == 0)) || { echo "= the run did not go on after running out of memory"; return 1; }
  grep -qiE 'micro-batch.*half|halv' "$out/backoff.log" || { echo "= the batch was not halved"; return 1; }
  echo "= $(grep -iE -m 1 'micro-batch.*half|halv' "$out/backoff.log")"
}

# descendants PID: its children and theirs.
descendants() {
  local child
  for child in $(cat "/proc/$1/task/"*/children 2>/dev/null); do
    printf '%s\n' "$child"
    descendants "$child"
  done
}

part_killed() {
  local log=$out/killed.log code=0 pid rank='' tries child
  ( run killed "$device" 2 strategy=ddp train.epochs=100000 train.eval_every=0 train.timeout=20 ) >"$log" 2>&1 &
  pid=$!
  for ((tries = 0; tries < 200; ++tries)); do
    sleep 0.2
    kill -0 "$pid" 2>/dev/null || break
    grep -q '"step"' "$out/runs/killed/metrics.jsonl" 2>/dev/null && break
  done
  for child in $(descendants "$pid"); do
    [[ $(readlink "/proc/$child/exe") == */trainhost-rank ]] && rank=$child
  done
  [[ -n $rank ]] || { cat "$log"; echo "= no rank was found to kill"; kill "$pid" 2>/dev/null; return 1; }
  local begin=$SECONDS
  kill -KILL "$rank"
  wait_for "$pid" 45 || code=$?
  cat "$log"
  echo "= exit code $code after $((SECONDS - begin)) s: $(grep -m 1 -iE 'rank [0-9]+.*(killed|lost|signal)' "$log")"
  ((code == 5)) && grep -qiE 'rank [0-9]+.*(killed|lost|signal)' "$log"
}

# most FILE: the largest peak of a rank in a summary.json, MB.
most() {
  tr -d '\n ' <"$1" | sed -n 's/.*"peak_memory_mb":\[\([^]]*\)\].*/\1/p' | tr ',' '\n' | sort -g | tail -n 1
}

# An encoder of 100 M parameters in many layers, and one pair of sentences a rank, so that what a step
# holds is what the strategy claims: what is the model's (activations, the gradients of the layer at
# hand) is 2.5 to 4 % of it, by describe --measure on a CPU. On a CPU the encoder is small and nothing
# is held against the claims, for a process's memory is more than its tensors.
part_memory() {
  local encoder=${recipe%/*}/sbert_quickstart.lua size=() way strategy ranks name file peak claim off=0 worst=0
  [[ -f $encoder ]] || { skip "there is no sbert_quickstart.lua beside the recipe"; return; }
  local ways=("single 1" "zero1 1" "zero2 1" "zero3 1" "zero3 2")
  if [[ $device == cpu ]]; then
    ways=("single 1" "zero3 2")
  else
    size=(model.encoder.hidden=512 model.encoder.layers=32 model.encoder.heads=8
      model.encoder.intermediate=2048)
  fi
  echo "> strategy  ranks  MB a rank at its peak  MB claimed  off"
  for way in "${ways[@]}"; do
    read -r strategy ranks <<<"$way"
    name=memory-$strategy-$ranks
    # The scratch memory of cuBLAS is counted too, and is as large as a layer unless told otherwise.
    CUBLAS_WORKSPACE_CONFIG=:16:8 CUBLASLT_WORKSPACE_SIZE=64 on_device "$ranks" "$encoder" \
      "strategy=$strategy" "train.batch=$ranks" train.epochs=1 train.eval_every=0 data.synthetic.rows=20 \
      "${size[@]}" --run-dir "$out/runs/$name" >"$out/memory.log" 2>&1 || {
      cat "$out/memory.log"
      echo "= $strategy did not run"
      return 1
    }
    file=$out/runs/$name/summary.json
    peak=$(most "$file")
    claim=$(awk -v bytes="$(value "$file" sum)" 'BEGIN { printf "%.1f", bytes / 1048576 }')
    awk -v p="${peak:-0}" -v c="$claim" 'BEGIN { exit !(p + 0 > 0 && c + 0 > 0) }' || {
      echo "= $strategy: peak '$peak', claim '$claim'"
      return 1
    }
    off=$(awk -v p="$peak" -v c="$claim" 'BEGIN { printf "%.1f", 100 * (p / c - 1) }')
    printf '> %-9s %5s  %21.1f  %10s  %s %%\n' "$strategy" "$ranks" "$peak" "$claim" "$off"
    worst=$(awk -v a="$worst" -v b="${off#-}" 'BEGIN { print (b > a ? b : a) }')
  done
  if [[ $device == cpu ]]; then
    echo "= of whole processes, which are not held against the claims"
    return 0
  fi
  echo "= at most $worst % off the claims, allowed $MEMORY_TOLERANCE %"
  awk -v a="$worst" -v b="$MEMORY_TOLERANCE" 'BEGIN { exit !(a <= b) }'
}

# ------------------------------------------------------------------------------------------- peers

# peer_figure FILE EXPRESSION: of `row`, the JSON line in the file.
peer_figure() {
  python3 -c 'import json, sys
row = json.loads([line for line in open(sys.argv[1]) if line.startswith("{")][-1])
print(eval(sys.argv[2]))' "$1" "$2"
}

part_kgat_peer() {
  local name=alibaba-fashion limits=(--cf-batches 40 --kg-batches 60) ours theirs
  [[ -n $peers && -n $repo && -n $data ]] || { skip "--peers, --repo and --data are not all given"; return; }
  [[ -f $data/$name/train.txt ]] || name=dbbook2014
  [[ -f $data/$name/train.txt ]] || { skip "$data holds no alibaba-fashion and no dbbook2014"; return; }
  python3 "${self%/*}/gpu_check_peers.py" kgat "$device" "$peers" --repo "$repo" --data-dir "$data" \
    --data-name "$name" --epochs 1 --no-eval "${limits[@]}" >"$out/kgat_peer.json" || return
  cat "$out/kgat_peer.json"
  on_device 1 "$recipe" "data.dir=$data/$name" model.embed_dim=64 'model.layer_dims={64,32,16}' \
    model.pretrain.epochs=0 train.epochs=2 train.batch=1024 train.eval_every=0 \
    --run-dir "$out/runs/kgat" || return
  theirs=$(peer_figure "$out/kgat_peer.json" 'min(row["epoch_s"]["all"])')
  ours=$(epoch_seconds kgat 2)
  awk -v a="$ours" -v b="$theirs" -v n="$name" 'BEGIN {
    printf "= %s epoch: %.2f s, the public PyTorch code %.2f s, %.1f times faster\n", n, a, b, a > 0 ? b / a : 0
    exit !(a > 0 && b > 0) }'
}

# epoch_seconds RUN EPOCH: rows of its objectives divided by their rates.
epoch_seconds() {
  python3 - "$out/runs/$1/metrics.jsonl" "$2" <<'PYTHON'
import json, sys
times = []
for line in open(sys.argv[1]):
    row = json.loads(line)
    if row.get("epoch") == int(sys.argv[2]) and row.get("step_ms") is not None:
        times.append((row.get("objective"), row["step"], row["step_ms"]))
total = 0.0
for objective in {t[0] for t in times}:
    mine = [t for t in times if t[0] == objective]
    total += sum(t[2] for t in mine) / len(mine) * max(t[1] for t in mine) / 1000
print(total)
PYTHON
}

part_encoder_peer() {
  [[ -n $peers && -n $data ]] || { skip "--peers and --data are not both given"; return; }
  [[ -d $data/sbert ]] || { skip "$data holds no sbert"; return; }
  python3 -c 'import sentence_transformers' 2>/dev/null || { skip "this Python has no sentence-transformers"; return; }
  python3 "${self%/*}/gpu_check_peers.py" encoder "$device" "$peers" --data "$data/sbert" --task stsb \
    --dtype bf16 --steps 40 --repeats 1 >"$out/encoder_peer.json" || return
  cat "$out/encoder_peer.json"
  local encoder=${recipe%/*}/sbert_nli_stsb.lua theirs ours
  [[ -f $encoder ]] || { skip "there is no sbert_nli_stsb.lua beside the recipe"; return; }
  on_device 1 "$encoder" "data.dir=$data/sbert" train.batch=32 train.epochs=1 precision=bf16 \
    --run-dir "$out/runs/encoder_peer" || return
  theirs=$(peer_figure "$out/encoder_peer.json" 'max(row["samples_per_s"]["all"])')
  ours=$(rate encoder_peer)
  echo "= $ours samples/s, sentence-transformers $theirs"
}

# rate RUN: the median of samples/s of its steps.
rate() {
  grep -o '"samples_per_s": *[-+.0-9eE]*' "$out/runs/$1/metrics.jsonl" | sed 's/.*: *//' |
    sort -g | awk '{ v[NR] = $1 } END { if (NR) printf "%.0f", v[int((NR + 1) / 2)] }'
}

part_speed() {
  local run_folder name found=0
  echo "> run                samples/s (median)"
  for run_folder in "$out"/runs/*/; do
    name=$(basename "$run_folder")
    [[ -f $run_folder/metrics.jsonl ]] || continue
    found=$((found + 1))
    printf '> %-18s %s\n' "$name" "$(rate "$name")"
  done
  echo "= $found runs"
  ((found > 0)) || skip "no run was made"
}
