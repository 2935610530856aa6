"""Metrics and CSV files of sentence-transformers' evaluators on made-up embeddings: evaluators.json.

    python make_evaluators.py > evaluators.json

Ran with sentence-transformers 6.2.0, torch 2.11.0, transformers 5.23.0, SciPy 1.17.1, scikit-learn 1.9.1,
NumPy 2.4.6 (CPU). Embeddings are eighths, which single precision holds exactly; texts are numbers, and a stub
model looks their embeddings up.
"""
import json
import os
import sys
import tempfile

import numpy as np
import torch
from scipy.stats import pearsonr, spearmanr
from sentence_transformers.sentence_transformer import evaluation
from sentence_transformers.util import cos_sim, dot_score, euclidean_sim, manhattan_sim

DIM = 5
FUNCTIONS = ["cosine", "dot", "euclidean", "manhattan"]


class Stub:
    similarity_fn_name = "cosine"

    def __init__(self, table):
        self.table = table
        self.model_card_data = self

    def set_evaluation_metrics(self, *_):
        pass

    def encode(self, sentences, convert_to_tensor=False, **_):
        rows = np.stack([self.table[sentence] for sentence in sentences]).astype(np.float32)
        return torch.tensor(rows) if convert_to_tensor else rows

    encode_query = encode_document = encode


def eighths(rng, rows):
    return np.round(8 * rng.normal(size=(rows, DIM))) / 8


def near(rng, rows, spread):
    return np.round(8 * (rows + spread * rng.normal(size=rows.shape))) / 8


def table_of(**groups):
    return {f"{name}{i:03d}": row for name, rows in groups.items() for i, row in enumerate(rows)}


def texts(name, rows):
    return [f"{name}{i:03d}" for i in range(len(rows))]


def run(evaluator, model):
    """Metrics, the CSV file's name and text after an evaluation in training and one outside."""
    with tempfile.TemporaryDirectory() as folder:
        evaluator(model, output_path=folder, epoch=1.5, steps=30)
        metrics = evaluator(model, output_path=folder)
        name, = os.listdir(folder)
        with open(os.path.join(folder, name), newline="") as file:
            text = file.read()
    return {"metrics": {k: float(v) for k, v in metrics.items()}, "primary": evaluator.primary_metric,
            "csv_file": name, "csv": text}


def numbers(rows):
    return [float(v) for v in np.asarray(rows).reshape(-1)]


def pairs(rng, out):
    a = eighths(rng, 40)
    b = near(rng, a, 1.0)
    b[7] = a[7]
    scores = np.round(4 * np.clip(rng.normal(size=40) * 0.3 + (a * b).sum(1) / 10, 0, 1)) / 4
    labels = ((a * b).sum(1) + 2 * rng.normal(size=40) > 5).astype(int)
    model = Stub(table_of(a=a, b=b))
    both = {"sentences1": texts("a", a), "sentences2": texts("b", b)}
    out["pairs"] = {"a": numbers(a), "b": numbers(b), "scores": numbers(scores), "labels": numbers(labels)}
    out["similarity"] = run(evaluation.EmbeddingSimilarityEvaluator(
        **both, scores=scores.tolist(), name="sts-dev", similarity_fn_names=FUNCTIONS), model)
    out["similarity, cosine"] = run(evaluation.EmbeddingSimilarityEvaluator(
        **both, scores=scores.tolist()), model)
    out["binary"] = run(evaluation.BinaryClassificationEvaluator(
        **both, labels=labels.tolist(), name="quora", similarity_fn_names=FUNCTIONS), model)
    out["binary, cosine"] = run(evaluation.BinaryClassificationEvaluator(**both, labels=labels.tolist()), model)


def triplets(rng, out):
    anchors = eighths(rng, 30)
    positives, negatives = near(rng, anchors, 1.0), near(rng, anchors, 1.4)
    negatives[3] = positives[3]
    model = Stub(table_of(a=anchors, p=positives, n=negatives))
    columns = {"anchors": texts("a", anchors), "positives": texts("p", positives),
               "negatives": texts("n", negatives)}
    out["triplets"] = {"a": numbers(anchors), "p": numbers(positives), "n": numbers(negatives)}
    out["triplet"] = run(evaluation.TripletEvaluator(**columns, name="nli", similarity_fn_names=FUNCTIONS), model)
    out["triplet, cosine"] = run(evaluation.TripletEvaluator(**columns), model)
    out["triplet, margin"] = run(evaluation.TripletEvaluator(**columns, margin=0.25), model)


def retrieval(rng, out):
    queries = eighths(rng, 12)
    documents = np.concatenate([near(rng, queries[i % 12:i % 12 + 1], 1.2) for i in range(60)])
    documents[40:48] = documents[0:8]
    relevant = {f"q{i:03d}": {f"d{j:03d}" for j in range(60) if j % 12 == i and (j + i) % 5 != 0}
                for i in range(12)}
    relevant["q005"] = set()
    model = Stub(table_of(q=queries, d=documents))
    table = {"queries": {t: t for t in texts("q", queries)}, "corpus": {t: t for t in texts("d", documents)},
             "relevant_docs": relevant}
    functions = {"cosine": cos_sim, "dot": dot_score, "euclidean": euclidean_sim, "manhattan": manhattan_sim}
    out["retrieval data"] = {"queries": numbers(queries), "documents": numbers(documents), "relevant": [
        sorted(int(d[1:]) for d in relevant[q]) for q in texts("q", queries)]}
    out["retrieval"] = run(evaluation.InformationRetrievalEvaluator(
        **table, name="docs", score_functions=functions), model)
    out["retrieval, cosine"] = run(evaluation.InformationRetrievalEvaluator(
        **table, score_functions={"cosine": cos_sim}, accuracy_at_k=[2], precision_recall_at_k=[1, 100],
        mrr_at_k=[1, 7], ndcg_at_k=[3, 5], map_at_k=[2, 4]), model)


def correlations(rng, out):
    out["correlations"] = []
    for x, y in [(rng.normal(size=9), rng.normal(size=9)), (rng.integers(0, 3, 12), rng.integers(0, 4, 12)),
                 ([1, 2], [5, 3]), ([1e-8, 2e-8, 3e-8], [3e9, 1e9, 2e9])]:
        x, y = [float(v) for v in x], [float(v) for v in y]
        out["correlations"].append({"x": x, "y": y, "pearson": float(pearsonr(x, y)[0]),
                                    "spearman": float(spearmanr(x, y)[0])})


def main():
    rng = np.random.default_rng(62)
    out = {"dim": DIM}
    for part in (pairs, triplets, retrieval, correlations):
        part(rng, out)
    json.dump(out, sys.stdout, separators=(",", ":"))
    print()


if __name__ == "__main__":
    main()
