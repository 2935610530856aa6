"""A run, killed and resumed; then every scalar of metrics.jsonl is compared with what TensorBoard reads.

usage: tensorboard_read_test.py TRAINHOST
"""
import csv
import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

TRAINHOST = sys.argv[1]
RECIPE = [
    "quickstart",
    "devices=2",
    "model.pretrain.epochs=1",
    "data.synthetic.users=300",
    "data.synthetic.items=200",
    "data.synthetic.entities=300",
    "data.synthetic.triples=900",
    "data.synthetic.interactions=4000",
    "train.batch=256",
    "train.eval_every=1",
    "train.checkpoint_every=4",
    "train.log_every=1",
    "train.clip_norm=1",
]
STEP_TAGS = {
    "loss": "loss/{objective}",
    "lr": "lr/{objective}",
    "grad_norm": "grad_norm/{objective}",
    "samples_per_s": "samples_per_s/{objective}",
    "memory": "memory_mb",
    "utilisation": "utilisation",
    "power_watts": "power_watts",
    "temperature_celsius": "temperature_celsius",
}


def metrics(run):
    """The whole lines of metrics.jsonl; one may just be being written."""
    lines = (run / "metrics.jsonl").read_text().splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def newest_checkpoint(run):
    # One that is being written is called step-N.partial.
    steps = [int(folder.name[5:]) for folder in run.glob("checkpoints/step-*")
             if folder.name[5:].isdigit() and (folder / "manifest.json").exists()]
    return max(steps, default=-1)


def train_and_kill(folder):
    """Kills a run that has gone on for some steps after a checkpoint."""
    run = folder / "runs" / "quickstart"
    process = subprocess.Popen([TRAINHOST, *RECIPE, "train.epochs=100000"], cwd=folder,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while True:
        assert process.poll() is None, process.stderr.read().decode()
        assert time.monotonic() < deadline, "no checkpoint within a minute"
        time.sleep(0.01)
        checkpoint = newest_checkpoint(run) if (run / "metrics.jsonl").exists() else -1
        if checkpoint >= 0 and any(entry["step"] > checkpoint + 3 for entry in metrics(run)):
            break
    time.sleep(0.03)  # what is being flushed is flushed whole
    process.send_signal(signal.SIGKILL)
    process.wait()
    return run


def resume(folder, run):
    epochs = max(entry["epoch"] for entry in metrics(run)) + 2
    ended = subprocess.run([TRAINHOST, "resume", str(run), f"train.epochs={epochs}"], cwd=folder,
                           capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def expected_scalars(entries):
    out = {}

    def add(tag, step, value):
        if value is not None:
            out.setdefault(tag, []).append((step, struct.unpack("f", struct.pack("f", value))[0]))

    for entry in entries:
        group = entry.get("split") or "evaluation"
        for name, value in entry.get("evaluation", {}).items():
            add(f"{group}/{name}", entry["step"], value)
        for name, value in entry.get("baseline", {}).items():
            add(f"{group}_baseline/{name}", entry["step"], value)
        for key, tag in STEP_TAGS.items():
            add(tag.format(**entry) if "objective" in entry else tag, entry["step"], entry.get(key))
    return out


def check_tensorboard(run, entries):
    guidance = {"scalars": 0, "tensors": 0}
    accumulator = EventAccumulator(str(run), size_guidance=guidance)
    accumulator.Reload()
    expected = expected_scalars(entries)
    tags = accumulator.Tags()
    assert sorted(tags["scalars"]) == sorted(expected), (tags["scalars"], sorted(expected))
    for tag, values in expected.items():
        read = [(event.step, event.value) for event in accumulator.Scalars(tag)]
        assert read == values, f"{tag}: TensorBoard reads {read}, metrics.jsonl has {values}"
    assert any(tag.startswith("grad_norm/") for tag in expected)
    assert any(tag.startswith("evaluation/recall@") for tag in expected)
    plan = accumulator.Tensors("plan")[0].tensor_proto.string_val[0].decode()
    assert '"name": "quickstart"' in plan, plan
    assert "_hparams_/session_start_info" in accumulator.PluginTagToContent("hparams")
    return sum(len(values) for values in expected.values())


def check_csv(run, entries):
    with open(run / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(entries), (len(rows), len(entries))
    for row, entry in zip(rows, entries):
        cells = {key: value for key, value in entry.items() if not isinstance(value, dict)}
        cells.update(entry.get("evaluation", {}))
        cells.update({f"{key}_baseline": value for key, value in entry.get("baseline", {}).items()})
        assert None not in row and None not in row.values(), row
        for key, text in row.items():
            value = cells.get(key)
            wanted = "" if value is None else value if isinstance(value, str) else json.dumps(value)
            same = text == wanted or (isinstance(value, float) and float(text) == value)
            assert same, f"{key}: {text} in metrics.csv, {wanted} in metrics.jsonl"


def main():
    os.environ["TRAINHOST_CACHE"] = "cache"
    with tempfile.TemporaryDirectory(prefix="trainhost-tensorboard-") as name:
        folder = Path(name)
        run = train_and_kill(folder)
        checkpoint = newest_checkpoint(run)
        lost = sum(entry["step"] > checkpoint for entry in metrics(run))
        resume(folder, run)
        entries = metrics(run)
        steps = [entry["step"] for entry in entries if "objective" in entry]
        assert lost > 0, f"nothing was lost after step {checkpoint}"
        assert steps == sorted(set(steps)), f"steps after a resume from {checkpoint}: {steps}"
        assert len(list(run.glob("events.out.tfevents.*"))) == 2
        scalars = check_tensorboard(run, entries)
        check_csv(run, entries)
        print(f"{scalars} scalars are equal; {lost} lines of steps after the checkpoint were redone")


if __name__ == "__main__":
    main()
