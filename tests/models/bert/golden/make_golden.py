"""Writes golden/tiny: a BertModel of random weights as Hugging Face saves it, and what it computes.

    python make_golden.py        # with transformers 5.23.0 and torch 2.11.0 when it was last run

config.json, model.safetensors: save_pretrained() of a tiny BertModel with a LayerNorm and biases that
are not trivial. expected.safetensors: four sequences one after the other (`lengths`, `ids`, `types`),
`hidden` [tokens, hidden] of the last layer and `layer.N` of the ones before, without dropout, and
`gradient.NAME` of sum(hidden * `factors`) for each parameter but the pooler's.
"""
import os

import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertModel

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tiny")
SEQUENCES = [[2, 5, 7, 11, 3], [2, 3], [2, 30, 30, 4, 19, 8, 17, 3, 12, 14, 3], [2, 9, 3]]
SECOND_FROM = [5, 2, 8, 3]  # tokens from here on are of the second text


def make_model():
    torch.manual_seed(20)
    config = BertConfig(vocab_size=31, hidden_size=24, num_hidden_layers=2, num_attention_heads=3,
                        intermediate_size=40, max_position_embeddings=16, type_vocab_size=2,
                        initializer_range=0.3)
    model = BertModel(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 1:
                parameter.normal_(1.0 if name.endswith("LayerNorm.weight") else 0.0, 0.2)
            else:
                parameter.normal_(0.0, 0.3)
    return model


def padded():
    longest = max(len(sequence) for sequence in SEQUENCES)
    ids, types, mask = (torch.zeros(len(SEQUENCES), longest, dtype=torch.long) for _ in range(3))
    for row, (sequence, second) in enumerate(zip(SEQUENCES, SECOND_FROM)):
        ids[row, :len(sequence)] = torch.tensor(sequence)
        types[row, second:len(sequence)] = 1
        mask[row, :len(sequence)] = 1
    return ids, types, mask


def main():
    os.makedirs(HERE, exist_ok=True)
    model = make_model()
    model.save_pretrained(HERE)
    ids, types, mask = padded()
    real = mask.bool()
    out = model(input_ids=ids, token_type_ids=types, attention_mask=mask, output_hidden_states=True)
    hidden = out.last_hidden_state[real]
    factors = torch.randn(hidden.shape, generator=torch.Generator().manual_seed(1))
    (hidden * factors).sum().backward()
    tensors = {"ids": ids[real], "types": types[real], "lengths": mask.sum(1), "factors": factors,
               "hidden": hidden}
    for layer, states in enumerate(out.hidden_states[:-1]):
        tensors[f"layer.{layer}"] = states[real]
    for name, parameter in model.named_parameters():
        if not name.startswith("pooler"):
            tensors["gradient." + name] = parameter.grad
    save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()},
              os.path.join(HERE, "expected.safetensors"))


if __name__ == "__main__":
    main()
