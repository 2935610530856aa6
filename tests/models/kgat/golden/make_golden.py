"""Writes golden.json: KGAT on a tiny graph, computed independently of the C++ code.

    python make_golden.py > golden.json        (needs NumPy alone; about two minutes)

Everything is double precision and follows the paper's equations edge by edge (Wang et al., "KGAT:
Knowledge Graph Attention Network for Recommendation", KDD 2019), with dense matrices and Python
loops. Gradients are not derived by hand: they are complex-step derivatives (Squire and Trapp 1998),
im f(x + ih) / h with h = 1e-30, which are exact to double precision; branches (LeakyReLU) look at
the real part. The dropout mask comes from a plain-integer Philox4x32-10 (Salmon et al. 2011).
"""
import json
import sys

import numpy as np

N_USERS, N_ITEMS, N_ENTITIES, N_KG = 30, 20, 45, 4
D, K, LAYERS = 12, 10, [9, 5]
SLOPE, LAMBDA = 0.2, 1e-2
DROPOUT, SEED, STEP = 0.25, 20190804, 7
KS = [5, 10, 20]
STEP_SIZE = 1e-30


# --------------------------------------------------------------------------------- data
def make_data(rng):
    """Interactions with users that have none, triples with a loop and with parallel relations."""
    train, test = {}, {}
    for u in range(N_USERS):
        items = rng.permutation(N_ITEMS)
        n = int(rng.integers(1, 8))
        train[u] = sorted(int(i) for i in items[:n])
        test[u] = sorted(int(i) for i in items[n:n + int(rng.integers(0, 5))])
    train[4], test[4] = [], []
    triples = {(3, 1, 3), (0, 0, 1), (0, 2, 1), (1, 0, 0), (N_ENTITIES - 1, N_KG - 1, 0)}
    while len(triples) < 110:
        h, t = rng.integers(0, N_ENTITIES, 2)
        triples.add((int(h), int(rng.integers(0, N_KG)), int(t)))
    return train, test, sorted(triples)


def make_edges(train, triples):
    """(head, relation, tail): interact 0, its inverse 1, relation r as 2 + r, inverse 2 + N_KG + r."""
    edges = []
    for u, items in train.items():
        for i in items:
            edges += [(N_ENTITIES + u, 0, i), (i, 1, N_ENTITIES + u)]
    for h, r, t in triples:
        edges += [(h, 2 + r, t), (t, 2 + N_KG + r, h)]
    return sorted(edges)


# -------------------------------------------------------------------------------- model
def initial_values(edges):
    count = {}
    for h, r, _ in edges:
        count[h, r] = count.get((h, r), 0) + 1
    return np.array([1.0 / count[h, r] for h, r, _ in edges])


def attention(edges, emb, rel, mats):
    logits = np.array([(emb[t] @ mats[r]) @ np.tanh(emb[h] @ mats[r] + rel[r]) for h, r, t in edges])
    out = np.zeros(len(edges))
    for h in {e[0] for e in edges}:
        at = [k for k, e in enumerate(edges) if e[0] == h]
        x = np.exp(logits[at] - logits[at].max())
        out[at] = x / x.sum()
    return out


def adjacency(edges, values, n):
    a = np.zeros((n, n))
    for (h, _, t), v in zip(edges, values):
        a[h, t] += v
    return a


def leaky(x):
    return np.where(x.real > 0, x, SLOPE * x)


def normalise(x):
    return x / np.sqrt((x * x).sum(axis=1, keepdims=True))


def propagate(kind, a, params, masks):
    e = params["emb"]
    parts = [e]
    for layer in range(len(LAYERS)):
        w = {key[:2]: params[key] for key in params if key.endswith(str(layer + 1)) and key != "emb"}
        n = a @ e
        if kind == "gcn":
            y = leaky((e + n) @ w["w1"].T + w["b1"])
        elif kind == "graphsage":
            y = leaky(np.concatenate([e, n], axis=1) @ w["w1"].T + w["b1"])
        else:
            y = leaky((e + n) @ w["w1"].T + w["b1"]) + leaky((e * n) @ w["w2"].T + w["b2"])
        if masks is not None:
            y = y * masks[layer]
        parts.append(normalise(y))
        e = y
    return np.concatenate(parts, axis=1)


def softplus(x):
    return np.log(1.0 + np.exp(x))


def cf_loss(table, batch):
    u, i, j = (table[batch[:, c]] for c in range(3))
    rows = softplus(-((u * i).sum(1) - (u * j).sum(1)))
    squares = (u * u).sum(1) + (i * i).sum(1) + (j * j).sum(1)
    return (rows + LAMBDA * 0.5 * squares).sum()


def kg_loss(params, batch):
    total = 0.0
    for h, r, t, f in batch:
        w, e = params["mats"][r], params["emb"]
        ph, pt, pf, er = e[h] @ w, e[t] @ w, e[f] @ w, params["rel"][r]
        near, far = ph + er - pt, ph + er - pf
        total = total + softplus((near * near).sum() - (far * far).sum())
        total = total + LAMBDA * 0.5 * ((ph * ph).sum() + (er * er).sum() + (pt * pt).sum() +
                                        (pf * pf).sum())
    return total


def gradients(loss, params):
    out = {}
    for name, value in params.items():
        grad = np.zeros(value.size)
        for k in range(value.size):
            moved = value.astype(complex).ravel()
            moved[k] += 1j * STEP_SIZE
            grad[k] = loss({**params, name: moved.reshape(value.shape)}).imag / STEP_SIZE
        out[name] = grad.reshape(value.shape)
    return out


# ------------------------------------------------------------------------------- random
def philox(counter, key):
    for _ in range(10):
        left, right = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        counter = [(right >> 32) ^ counter[1] ^ key[0], right & 0xFFFFFFFF,
                   (left >> 32) ^ counter[3] ^ key[1], left & 0xFFFFFFFF]
        key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return counter


def stream_id(name):
    value = 14695981039346656037
    for byte in name.encode():
        value = ((value ^ byte) * 1099511628211) & 0xFFFFFFFFFFFFFFFF
    return value


def dropout_masks(n_nodes):
    stream = stream_id("kgat.dropout")
    key = philox([stream & 0xFFFFFFFF, stream >> 32, 0, 0], [SEED & 0xFFFFFFFF, SEED >> 32])[:2]
    threshold = round(DROPOUT * 65536)
    masks = []
    for layer, width in enumerate(LAYERS, start=1):
        mask = np.zeros((n_nodes, width))
        for node in range(n_nodes):
            for c in range(width):
                word = philox([c // 8, node, STEP, layer << 16], key)[c % 8 // 2]
                number = word >> 16 if c % 2 else word & 0xFFFF
                mask[node, c] = 65536 / (65536 - threshold) if number >= threshold else 0.0
        masks.append(mask)
    return masks


# ------------------------------------------------------------------------------ metrics
def metrics(scores, train, test):
    """All-ranking; equal scores rank by the lower item. 'paper' divides by the ideal DCG of the
    hits found within the top 100."""
    users = [u for u in sorted(test) if test[u]]
    out = {k: np.zeros(5) for k in KS}
    for u in users:
        order = [i for i in np.lexsort((np.arange(N_ITEMS), -scores[u])) if i not in train[u]]
        hits = np.array([1.0 if i in test[u] else 0.0 for i in order[:100]])
        discount = 1.0 / np.log2(np.arange(2, 102))
        for k in KS:
            found = hits[:k].sum()
            dcg = (hits[:k] * discount[:len(hits[:k])]).sum()
            ideal = discount[:min(k, len(test[u]))].sum()
            own = discount[:min(k, int(hits.sum()))].sum()
            out[k] += [found / len(test[u]), found / k, float(found > 0), dcg / ideal,
                       dcg / own if own > 0 else 0.0]
    names = ["recall", "precision", "hit", "ndcg", "ndcg_paper"]
    return {"users": len(users),
            **{f"{n}@{k}": out[k][c] / len(users) for k in KS for c, n in enumerate(names)}}


# --------------------------------------------------------------------------------- main
def layer_parameters(rng, kind):
    params, d_in = {}, D
    for layer, d_out in enumerate(LAYERS, start=1):
        depth = 2 * d_in if kind == "graphsage" else d_in
        for which in (1, 2) if kind == "bi" else (1,):
            params[f"w{which}_{layer}"] = rng.normal(0, 0.4, (d_out, depth))
            params[f"b{which}_{layer}"] = rng.normal(0, 0.1, d_out)
        d_in = d_out
    return params


def numbers(array):
    return [float(f"{v:.7g}") for v in np.asarray(array, dtype=float).ravel()]


def main():
    rng = np.random.default_rng(20190804)
    train, test, triples = make_data(rng)
    edges = make_edges(train, triples)
    n_nodes, n_relations = N_ENTITIES + N_USERS, 2 * (N_KG + 1)
    # What C++ reads are these rounded numbers, so they are rounded before they are used.
    rounded = lambda a: np.array(numbers(a)).reshape(a.shape).astype(np.float32).astype(float)
    emb = rounded(rng.normal(0, 0.5, (n_nodes, D)))
    rel = rounded(rng.normal(0, 0.3, (n_relations, K)))
    mats = rounded(rng.normal(0, 0.3, (n_relations, D, K)))
    users = rng.choice([u for u in train if train[u]], 12)
    cf = np.array([[N_ENTITIES + u, train[int(u)][0], rng.integers(0, N_ITEMS)] for u in users])
    picks = rng.choice(len(edges), 16)
    kg = [[*edges[int(p)], int(rng.integers(0, n_nodes))] for p in picks]
    values = attention(edges, emb, rel, mats)
    out = {
        "counts": {"users": N_USERS, "items": N_ITEMS, "entities": N_ENTITIES, "relations": N_KG},
        "slope": SLOPE, "lambda": LAMBDA, "dropout": DROPOUT, "seed": SEED, "step": STEP,
        "layers": LAYERS, "d": D, "k": K,
        "train": [train[u] for u in range(N_USERS)], "test": [test[u] for u in range(N_USERS)],
        "triples": [list(t) for t in triples], "edges": [list(e) for e in edges],
        "initial_values": numbers(initial_values(edges)), "attention": numbers(values),
        "emb": numbers(emb), "rel": numbers(rel), "mats": numbers(mats),
        "cf": cf.tolist(), "kg": kg, "aggregators": {},
    }
    a = adjacency(edges, values, n_nodes)
    masks = dropout_masks(n_nodes)
    for kind in ("bi", "gcn", "graphsage"):
        layers = {name: rounded(v) for name, v in layer_parameters(rng, kind).items()}
        params = {"emb": emb, **layers}
        use = masks if kind == "bi" else None  # one aggregator with dropout, two without
        loss = lambda p: cf_loss(propagate(kind, a, p, use), cf)
        print(kind, file=sys.stderr)
        table = propagate(kind, a, params, None)
        scores = {u: table[N_ENTITIES + u] @ table[:N_ITEMS].T for u in range(N_USERS)}
        out["aggregators"][kind] = {
            "dropout": use is not None,
            "parameters": {name: numbers(v) for name, v in layers.items()},
            "table": numbers(table), "loss": float(loss(params)),
            "gradients": {name: numbers(g) for name, g in gradients(loss, params).items()},
            "metrics": metrics(scores, train, test),
        }
    params = {"emb": emb, "rel": rel, "mats": mats}
    print("kg", file=sys.stderr)
    out["kg_loss"] = float(kg_loss(params, kg))
    out["kg_gradients"] = {n: numbers(g) for n, g in
                           gradients(lambda p: kg_loss(p, kg), params).items()}
    counts = np.zeros(N_ITEMS)
    for items in train.values():
        counts[items] += 1
    out["popularity"] = metrics({u: counts for u in range(N_USERS)}, train, test)
    json.dump(out, sys.stdout, separators=(",", ":"))
    print()


main()
