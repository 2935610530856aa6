"""Losses and their gradients as sentence-transformers computes them: losses.json.

    python make_losses.py > losses.json

Ran with sentence-transformers 6.2.0, torch 2.11.0, transformers 5.23.0, NumPy 2.4.6 (CPU). The embeddings are
made up here (rounded to three decimals, so that every reader gets the same numbers); a stub takes the
model's place and returns them. Double precision throughout.
"""
import json
import sys

import numpy as np
import torch
from sentence_transformers.sentence_transformer import losses
from sentence_transformers.sentence_transformer.losses import TripletDistanceMetric
from sentence_transformers.util import cos_sim, dot_score

ROWS, DIM = 7, 6
CLASSES = 3


class Stub(torch.nn.Module):
    """What the losses ask of a model: the embedding of a column, which here is its own input."""

    def __init__(self):
        super().__init__()
        self.device = torch.device("cpu")

    def forward(self, features):
        return {"sentence_embedding": features["embedding"]}

    def get_embedding_dimension(self):
        return DIM

    get_sentence_embedding_dimension = get_embedding_dimension


def cosine(model):
    """The package turns the scores into single precision, which its own mean does not take beside double."""
    mean = torch.nn.MSELoss()
    return losses.CosineSimilarityLoss(model, loss_fct=lambda got, wanted: mean(got, wanted.double()))


def embeddings(rng, columns):
    base = rng.normal(size=(ROWS, DIM))
    return [np.round(base + 0.6 * rng.normal(size=(ROWS, DIM)), 3) for _ in range(columns)]


def rounded(values):
    return [float(f"{v:.16g}") for v in np.asarray(values, dtype=np.float64).reshape(-1)]


def measure(make, columns, labels=None):
    leaves = [torch.tensor(c, dtype=torch.float64, requires_grad=True) for c in columns]
    loss = make(Stub())
    value = loss([{"embedding": leaf} for leaf in leaves], labels)
    value.backward()
    return {"value": value.item(), "gradients": [rounded(leaf.grad) for leaf in leaves]}, loss


def main():
    torch.set_default_dtype(torch.float64)
    rng = np.random.default_rng(61)
    columns = embeddings(rng, 4)
    scores = torch.tensor([0.0, 0.25, 0.25, 0.5, 1.0, 0.5, 0.75], dtype=torch.float32)
    classes = torch.tensor([0, 2, 1, 1, 0, 2, 0])
    mnrl = losses.MultipleNegativesRankingLoss
    matryoshka = losses.MatryoshkaLoss
    dims, weights = [6, 4, 2], [1.0, 0.5, 0.25]
    cases = {}

    def case(name, count, make, labels=None):
        cases[name], loss = measure(make, columns[:count], labels)
        return loss

    case("mnrl", 2, mnrl)
    case("mnrl, one negative", 3, mnrl)
    case("mnrl, two negatives", 4, mnrl)
    case("mnrl, scale 5", 2, lambda model: mnrl(model, scale=5))
    case("mnrl, dot", 2, lambda model: mnrl(model, scale=1, similarity_fct=dot_score))
    case("cosine", 2, cosine, scores)
    case("cosent", 2, losses.CoSENTLoss, scores.double())
    case("cosent, scale 3", 2, lambda model: losses.CoSENTLoss(model, scale=3), scores.double())
    case("triplet", 3, losses.TripletLoss)
    case("triplet, margin 0.3", 3, lambda model: losses.TripletLoss(model, triplet_margin=0.3))
    case("triplet, cosine", 3, lambda model: losses.TripletLoss(
        model, distance_metric=TripletDistanceMetric.COSINE, triplet_margin=0.1))
    case("triplet, manhattan", 3, lambda model: losses.TripletLoss(
        model, distance_metric=TripletDistanceMetric.MANHATTAN, triplet_margin=0.5))
    case("matryoshka of mnrl", 3, lambda model: matryoshka(model, mnrl(model), dims, weights))
    case("matryoshka of cosine", 2,
         lambda model: matryoshka(model, cosine(model), dims, weights), scores)
    case("matryoshka of triplet", 3,
         lambda model: matryoshka(model, losses.TripletLoss(model, triplet_margin=0.5), dims, weights))

    def softmax(model):
        torch.manual_seed(3)
        loss = losses.SoftmaxLoss(model, DIM, CLASSES)
        with torch.no_grad():
            for parameter in loss.classifier.parameters():
                parameter.copy_(torch.tensor(np.round(parameter.numpy(), 3)))
        return loss

    loss = case("softmax_nli", 2, softmax, classes)
    classifier = {name: {"value": rounded(p.detach()), "gradient": rounded(p.grad)}
                  for name, p in loss.classifier.named_parameters()}
    json.dump({"rows": ROWS, "dim": DIM, "columns": [rounded(c) for c in columns], "scores": rounded(scores),
               "classes": classes.tolist(), "dims": dims, "weights": weights, "classifier": classifier,
               "cases": cases}, sys.stdout, separators=(",", ":"))
    print()


if __name__ == "__main__":
    main()
