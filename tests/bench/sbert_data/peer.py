"""peer.py PAIRS.tsv BATCH: an epoch of sentence-transformers' NoDuplicatesBatchSampler, as one JSON line."""
import json
import sys
import time

import sentence_transformers
import torch
from datasets import Dataset
from sentence_transformers.base.sampler import NoDuplicatesBatchSampler


def main():
    with open(sys.argv[1], encoding="utf-8") as lines:
        rows = [line.rstrip("\n").split("\t")[:2] for line in lines]
    data = Dataset.from_dict({"anchor": [r[0] for r in rows], "positive": [r[1] for r in rows]})
    batch = int(sys.argv[2])
    generator = torch.Generator()
    sampler = NoDuplicatesBatchSampler(data, batch_size=batch, drop_last=False, generator=generator, seed=12)
    started = time.perf_counter()
    sizes = [len(rows) for rows in sampler]
    print(json.dumps({"peer": "sentence-transformers " + sentence_transformers.__version__, "batch": batch,
                      "epoch_s": round(time.perf_counter() - started, 3), "steps": len(sizes),
                      "full": sum(size == batch for size in sizes)}))


if __name__ == "__main__":
    main()
