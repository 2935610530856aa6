#!/usr/bin/env python3
"""Writes the folders of sentence-transformers that the tests read, and what the package makes of them.

  directories/new        as SentenceTransformer.save() of the installed version writes it: mean pooling, normalised,
                         prompts, no vocab.txt
  directories/old        the same weights as versions up to 5 wrote them: other type names, pooling_mode_* flags,
                         vocab.txt, max_seq_length in sentence_bert_config.json; CLS and max pooling, no normalisation,
                         a stray embeddings.position_ids, 16-bit weights
  directories.json       sentences, their ids and their embeddings from both, with and without a prompt

The encoder is a random one of 16 dimensions. Made with sentence-transformers 6.2.0, transformers 5.23.0, torch 2.11.0.

usage: make_directories.py   (into its own folder)
"""
import json
import os
import shutil
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from transformers import BertConfig, BertModel, BertTokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
WORDS = ("the a of and river stone mill boat bridge water cold green tall two under over goes stands turns sings bird "
         "night morning house ##s ##ing ##ed ##ly un ##n ##e ##r . , ! ? ' -").split()
SENTENCES = ["The river goes under the bridge.", "Two birds stand over the cold water!", "A tall green mill turns.",
             "", "unknownword", "The bird sings, the night goes.", "  Under   the STONE house  ", "Boat, boat? Boat!",
             "the of and a the of and a the of and a the of and a the of and a the of and a the of and a the of and a"]


def write_json(path, value):
    with open(path, "w") as file:
        json.dump(value, file, indent=2)


def new_style(folder, vocabulary):
    with tempfile.TemporaryDirectory() as parts:
        torch.manual_seed(3)
        config = BertConfig(vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=2, num_attention_heads=4,
                            intermediate_size=24, max_position_embeddings=32, initializer_range=0.4)
        model = BertModel(config)
        for name, parameter in model.named_parameters():
            if "bias" in name or "LayerNorm" in name:
                torch.nn.init.normal_(parameter, 1.0 if name.endswith("LayerNorm.weight") else 0.0, 0.2)
        model.save_pretrained(parts)
        with open(os.path.join(parts, "vocab.txt"), "w") as file:
            file.write("".join(word + "\n" for word in vocabulary))
        BertTokenizer(vocab=os.path.join(parts, "vocab.txt"), model_max_length=24).save_pretrained(parts)
        encoder = Transformer(parts)
        whole = SentenceTransformer(modules=[encoder, Pooling(16, "mean"), Normalize()],
                                    prompts={"query": "the river . ", "document": ""}, similarity_fn_name="dot")
        whole.save(folder, create_model_card=False)


def old_style(folder, new, vocabulary):
    shutil.copytree(new, folder)
    shutil.rmtree(os.path.join(folder, "2_Normalize"))
    os.remove(os.path.join(folder, "tokenizer.json"))
    kinds = [("", "Transformer"), ("1_Pooling", "Pooling")]
    write_json(os.path.join(folder, "modules.json"),
               [{"idx": i, "name": str(i), "path": path, "type": "sentence_transformers.models." + kind}
                for i, (path, kind) in enumerate(kinds)])
    modes = ["cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens"]
    write_json(os.path.join(folder, "1_Pooling/config.json"),
               {"word_embedding_dimension": 16,
                **{"pooling_mode_" + mode: mode in ("cls_token", "max_tokens") for mode in modes}})
    write_json(os.path.join(folder, "sentence_bert_config.json"), {"max_seq_length": 12, "do_lower_case": False})
    write_json(os.path.join(folder, "config_sentence_transformers.json"),
               {"__version__": {"sentence_transformers": "2.0.0", "transformers": "4.6.1", "pytorch": "1.8.1"}})
    write_json(os.path.join(folder, "tokenizer_config.json"),
               {"do_lower_case": True, "unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]",
                "cls_token": "[CLS]", "mask_token": "[MASK]", "tokenizer_class": "BertTokenizer",
                "model_max_length": 512})
    with open(os.path.join(folder, "vocab.txt"), "w") as file:
        file.write("".join(word + "\n" for word in vocabulary))
    weights = {name: tensor.half() for name, tensor in load_file(os.path.join(folder, "model.safetensors")).items()}
    weights["embeddings.position_ids"] = torch.arange(32).unsqueeze(0)
    save_file(weights, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})


def answers(folder, prompt=None):
    model = SentenceTransformer(folder, device="cpu", model_kwargs={"torch_dtype": torch.float32})
    model.max_seq_length = {"new": 24, "old": 12}[os.path.basename(folder)]
    ids = [model.tokenizer(text.strip(), truncation=True, max_length=model.max_seq_length)["input_ids"]
           for text in SENTENCES]
    vectors = model.encode(SENTENCES, prompt_name=prompt, convert_to_numpy=True)
    return {"ids": ids, "embeddings": [[round(float(value), 7) for value in row] for row in vectors],
            "similarity": [round(float(model.similarity(vectors[i], vectors[i + 1])), 7)
                           for i in range(len(SENTENCES) - 1)]}


def main():
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + sorted(set(WORDS) | set(letters[:3]))
    folder = os.path.join(HERE, "directories")
    shutil.rmtree(folder, ignore_errors=True)
    new, old = os.path.join(folder, "new"), os.path.join(folder, "old")
    new_style(new, vocabulary)
    old_style(old, new, vocabulary)
    write_json(os.path.join(HERE, "directories.json"),
               {"sentences": SENTENCES, "new": answers(new), "new query": answers(new, "query"), "old": answers(old)})


if __name__ == "__main__":
    main()
