#!/usr/bin/env python3
"""Writes the golden files of the safetensors reader. Needs the packages torch and safetensors.

every-type.safetensors is written by the package; by-hand.safetensors is one that the package reads
but would not write: its header is in another order than its data, has spaces before the end, and
describes 16-bit values first, which leaves what follows misaligned.
"""
import json
import os
import struct

import safetensors
import torch
from safetensors.torch import save_file

TYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "F8_E5M2": torch.float8_e5m2, "F8_E4M3": torch.float8_e4m3fn,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8,
    "U64": torch.uint64, "U32": torch.uint32, "U16": torch.uint16, "U8": torch.uint8,
    "BOOL": torch.bool,
}


def main():
    folder = os.path.dirname(os.path.abspath(__file__))
    tensors = {name: torch.arange(6, dtype=torch.float32).reshape(2, 3).to(dtype)
               for name, dtype in TYPES.items()}
    tensors["scalar"] = torch.tensor(0.5)
    tensors["empty"] = torch.zeros(0, 4)
    tensors["größe \"quoted\""] = torch.tensor([1.5, -2.5])
    save_file(tensors, os.path.join(folder, "every-type.safetensors"),
              metadata={"format": "pt", "note": "ünïcode"})

    header = {
        "last": {"dtype": "F32", "shape": [2], "data_offsets": [6, 14]},
        "__metadata__": {"format": "np"},
        "first": {"dtype": "I16", "shape": [3], "data_offsets": [0, 6]},
        "nothing": {"dtype": "F64", "shape": [2, 0], "data_offsets": [6, 6]},
    }
    text = json.dumps(header).encode() + b" " * 37
    content = (struct.pack("<Q", len(text)) + text + struct.pack("<hhh", -1, 2, 300) +
               struct.pack("<ff", 0.25, -8.0))
    names = {name for name, _ in safetensors.deserialize(content)}
    assert names == {"last", "first", "nothing"}, names
    with open(os.path.join(folder, "by-hand.safetensors"), "wb") as file:
        file.write(content)


if __name__ == "__main__":
    main()
