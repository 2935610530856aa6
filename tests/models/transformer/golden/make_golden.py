#!/usr/bin/env python3
"""Makes golden.json: the test model's losses, gradients and parameters, by PyTorch and numpy alone.

Everything is written anew from its definition: Philox4x32-10 (Salmon et al., SC'11), the generated
rows, the initial parameters, the encoder, both losses and the optimizers (torch.optim, in double
precision; the initial parameters are fp32 numbers). Without dropout, which has no reference.

usage: make_golden.py > golden.json        (needs torch and numpy)
"""
import json
import math
import re

import numpy as np
import torch

MASK = 0xFFFFFFFF
S = dict(vocabulary=64, width=32, heads=4, layers=2, feed_forward=64, tokens=12, rows=50, classes=4, masked=2)
SEED, BATCH, STEPS = 5, 12, 10


def fnv(name):
    value = 14695981039346656037
    for byte in name.encode():
        value = ((value ^ byte) * 1099511628211) & 0xFFFFFFFFFFFFFFFF
    return value


def philox(counter, key):
    c, k = list(counter), list(key)
    for _ in range(10):
        left, right = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(right >> 32) ^ c[1] ^ k[0], right & MASK, (left >> 32) ^ c[3] ^ k[1], left & MASK]
        k = [(k[0] + 0x9E3779B9) & MASK, (k[1] + 0xBB67AE85) & MASK]
    return c


class Random:
    def __init__(self, stream):
        stream = fnv(stream)
        self.key = philox([stream & MASK, stream >> 32, 0, 0], [SEED & MASK, SEED >> 32])[:2]

    def words(self, step, layer, row):
        draw = 0
        while True:
            yield from philox([draw, row & MASK, step, (row >> 32 & 0xFFFF) | layer << 16], self.key)
            draw += 1


def bounded(words, bound):
    """Lemire's multiply and reject."""
    while True:
        product = next(words) * bound
        if (product & MASK) >= (1 << 32) % bound:
            return product >> 32


def make_row(random, epoch, row, pairs):
    words = random.words(epoch, 0, row)

    def any_token():
        return 1 + bounded(words, S["vocabulary"] - 1)

    def sequence(choose):
        return [choose() if next(words) & 1 else any_token() for _ in range(S["tokens"])]

    label, positive = bounded(words, S["classes"]), []
    if pairs:
        topic = [any_token() for _ in range(3)]
        tokens, positive = (sequence(lambda: topic[bounded(words, 3)]) for _ in range(2))
    else:
        members = len(range(1 + label, S["vocabulary"], S["classes"]))
        tokens = sequence(lambda: 1 + label + S["classes"] * bounded(words, members))
    places = [bounded(words, S["tokens"]) for _ in range(S["masked"])]
    wanted = [tokens[p] for p in places]
    for place in places:
        tokens[place] = 0
    return tokens, label, places, wanted, positive


def make_batches(pairs):
    """The columns of each step's rows, in order, over two epochs."""
    random, batches = Random("transformer.rows"), []
    for epoch in range(2):
        for begin in range(0, S["rows"], BATCH):
            rows = [make_row(random, epoch, r, pairs) for r in range(begin, min(begin + BATCH, S["rows"]))]
            batches.append([torch.tensor(column) for column in zip(*rows)])
    return batches


def initial(name, shape, bound):
    count = math.prod(shape)
    random = Random("transformer.init/" + name)
    blocks = [philox([0, i, 0, 0], random.key) for i in range((count + 3) // 4)]
    u = np.array(blocks, dtype=np.uint32).reshape(-1)[:count]
    u = (u >> 8).astype(np.float32) * np.float32(2.0**-24)
    values = np.float32(bound) * (np.float32(2) * u - np.float32(1))
    return torch.tensor(values.reshape(shape).astype(np.float64), requires_grad=True)


def constant(size, value):
    return torch.full((size,), float(value), dtype=torch.float64, requires_grad=True)


def make_parameters():
    w, out = S["width"], {}

    def linear(name, outputs, inputs):
        out[name] = initial(name, (outputs, inputs), math.sqrt(3 / inputs))
        out[name + "_bias"] = constant(outputs, 0)

    def norm(name):
        out[name], out[name + "_bias"] = constant(w, 1), constant(w, 0)

    out["embedding/token"] = initial("embedding/token", (S["vocabulary"], w), 1 / math.sqrt(w))
    out["embedding/position"] = initial("embedding/position", (S["tokens"], w), 1 / math.sqrt(w))
    norm("embedding/norm")
    for l in range(S["layers"]):
        unit = f"layer{l}/"
        linear(unit + "qkv", 3 * w, w)
        linear(unit + "out", w, w)
        norm(unit + "norm1")
        linear(unit + "up", S["feed_forward"], w)
        linear(unit + "down", w, S["feed_forward"])
        norm(unit + "norm2")
    linear("adapter/weight", w, w)
    linear("head/pooler", w, w)
    linear("head/classifier", S["classes"], w)
    out["vocabulary/bias"] = constant(S["vocabulary"], 0)
    return out


class Model:
    def __init__(self, task):
        self.p, self.task = make_parameters(), task
        self.centre = torch.zeros(S["width"], dtype=torch.float64)
        self.pooled = []

    def linear(self, name, x):
        return torch.nn.functional.linear(x, self.p[name], self.p[name + "_bias"])

    def norm(self, name, x):
        return torch.nn.functional.layer_norm(x, (S["width"],), self.p[name], self.p[name + "_bias"])

    def attend(self, unit, x):
        n, t, w = x.shape
        q, k, v = (part.view(n, t, S["heads"], -1).transpose(1, 2) for part in self.linear(unit + "qkv", x).split(w, -1))
        context = torch.nn.functional.scaled_dot_product_attention(q, k, v)
        return self.linear(unit + "out", context.transpose(1, 2).reshape(n, t, w))

    def encode(self, tokens, step):
        x = self.norm("embedding/norm", self.p["embedding/token"][tokens] + self.p["embedding/position"])
        for l in range(S["layers"]):
            unit = f"layer{l}/"
            x = self.norm(unit + "norm1", x + self.attend(unit, x))
            fed = self.linear(unit + "down", torch.nn.functional.gelu(self.linear(unit + "up", x)))
            x = self.norm(unit + "norm2", x + fed)
        return x + torch.tanh(self.linear("adapter/weight", x)) if step % 2 == 1 else x

    def pool(self, x):
        return torch.tanh(self.linear("head/pooler", x.mean(1)))

    def masked_loss(self, x, places, wanted):
        hidden = torch.gather(x, 1, places[..., None].expand(-1, -1, S["width"]))
        logits = hidden @ self.p["embedding/token"].T + self.p["vocabulary/bias"]
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="sum")
        return 0.1 / S["masked"] * loss

    def loss(self, batch, step):
        """The mean over the rows."""
        tokens, labels, places, wanted, positives = batch
        x = self.encode(tokens, step)
        pooled = self.pool(x)
        self.pooled.append(pooled.detach())
        if self.task == "classify":
            logits = self.linear("head/classifier", pooled - self.centre)
            main = torch.nn.functional.cross_entropy(logits, labels, reduction="sum")
        else:
            unit = torch.nn.functional.normalize
            scores = 20 * unit(pooled) @ unit(self.pool(self.encode(positives, step))).T
            main = torch.nn.functional.cross_entropy(scores, torch.arange(len(tokens)), reduction="sum")
        return (main + self.masked_loss(x, places, wanted)) / len(tokens)

    def end_epoch(self):
        self.centre, self.pooled = torch.cat(self.pooled).mean(0), []

    def groups(self, decay):
        plain = [p for name, p in self.p.items() if p.dim() == 1]
        return [dict(params=[p for p in self.p.values() if p.dim() > 1], weight_decay=decay),
                dict(params=plain, weight_decay=0)]


def train(task, optimizer, decay, clip, **settings):
    model = Model(task)
    optimizer = optimizer(model.groups(decay), **settings)
    losses = []
    for step, batch in enumerate(make_batches(task != "classify")):
        loss = model.loss(batch, step)
        losses.append(loss.item())
        loss.backward()
        if clip:
            torch.nn.utils.clip_grad_norm_(model.p.values(), clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if (step + 1) * BATCH % (S["rows"] + BATCH - S["rows"] % BATCH) == 0:
            model.end_epoch()
    return model, losses


def first_gradients(task):
    model = Model(task)
    model.loss(make_batches(task != "classify")[0], 0).backward()
    return {name: p.grad for name, p in model.p.items() if p.grad is not None}


def sketch(tensor):
    """A norm, and a product with the ramp 1, 2, …, n over n, which tells places apart."""
    flat = tensor.detach().flatten()
    ramp = torch.arange(1, flat.numel() + 1, dtype=torch.float64) / flat.numel()
    return [flat.norm().item(), (flat @ ramp).item()]


def main():
    golden = {}
    for task in ("classify", "contrastive"):
        _, adamw = train(task, torch.optim.AdamW, 0.1, 1.0, lr=3e-3)
        model, sgd = train(task, torch.optim.SGD, 0.01, 0, lr=0.01, momentum=0.9)
        assert len(adamw) == STEPS
        golden[task] = {
            "adamw_losses": adamw,
            "sgd_losses": sgd,
            "first_gradients": {name: sketch(g) for name, g in first_gradients(task).items()},
            "sgd_parameters": {name: sketch(p) for name, p in model.p.items()},
        }
    # One line a list: a diff shows which tensor moved.
    print(re.sub(r"\[\s+([^\]]*?)\s+\]", lambda m: "[" + re.sub(r"\s+", " ", m[1]) + "]",
                 json.dumps(golden, indent=1)))


if __name__ == "__main__":
    main()
