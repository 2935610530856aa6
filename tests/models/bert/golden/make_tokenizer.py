#!/usr/bin/env python3
"""make_tokenizer.py > tokenizer.json

Ids that the reference (Python package tokenizers; the kept file was made with 0.23.2) gives for sentences
written for this test, under a small vocabulary of their own and several settings.
"""
import json

import tokenizers
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEIOUéàÅσςδοαЖжй0123456789"
WHOLE = ["the", "cat", "sits", "un", "unaff", "sat", "hello", "world", "Hello", "été", "strasse", "[", "]",
         "日", "本", "語", "한", "ᄒ", "🙂", "️", "i̇", "–", "…", "¿", "¡", "。", "、", "œ", "ß", "ﬁ",
         "\ufffd", "\u200b", "x" * 40, "SE", "sep", "a" * 99, "中", "\u2002"]
MORE = ["##able", "##aff", "##ing", "##ᅡ", "##ᆫ", "##́", "##️", "##\ufffd", "##🙂", "##ß", "##œ",
        "##" + "x" * 40, "##日", "##\u2002"]
VOCABULARY = (["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + list("!\"#$%&'()*+,-./:;<=>?@\\^_`{|}~")
              + list(LETTERS) + ["##" + c for c in LETTERS] + WHOLE + MORE)

TEXTS = [
    "", " ", "\t\n\r ", "the cat sits", "The CAT sat.", "unaffable unaffing cats", "hello,world!!", "don't stop",
    "[SEP] [CLS] [MASK] [PAD] [UNK]", "a[SEP]b", "[sep] [Sep]", "[SEP", "[SE\u0000P]", "[[SEP]]", "[MASK].", "été ÉTÉ e\u0301te\u0301",
    "Ångström", "A\u030A", "ΟΔΟΣ ΟΔΟσ Σ", "ЖЙй", "İstanbul I i", "straße STRASSE", "ﬁ ﬂ", "日本語", "a日b本c", "日本, 語。",
    "豈更\U0002F800", "\U0002B820\U0002B920\U0002CEA1", "한국", "\u1112\u1161\u11AB", "🙂🙂", "a🙂", "☺️ ❤️", "👩\u200d👧", "–…¿¡",
    "a\u00a0b\u2003c\u3000d", "a\u200bb\u200dc\ufeff", "a\u0085b\u2028c\u2029d", "x" * 100, "x" * 101, "x" * 80 + " " + "y" * 200,
    "a" * 99 + "b", "\u0301", "a\u0301\u0301", "\u0000a\u0000", "a\ufffdb", "\ufffd", "\u0378", "tab\tnew\nline\rend", "\x0b\x0ca\x1fb\x7f",
    "1234 5.67 8,9", "#hash ##tag", "C:\\path\\to", "`{|}~^_", "\u037e\u0387\u1fef", "\u2260\u226e", "𝐀𝐁 Ａｂ", "\ue000a", "a\U000e0100b",
    "नमस्ते", "שָׁלוֹם", "مَرْحَبًا", "ไทย", "\u2000\u2001",
]
LONG = "the cat sat on a world of unaffable cats, hello hello world. "
PAIRS = [("", ""), ("the cat", ""), ("", "the cat"), ("the cat sits", "hello world"), (LONG, "cat"), ("cat", LONG), (LONG, LONG),
         (LONG + LONG, LONG), ("unaffable" * 3, "hello"), ("a" * 90, "hello " * 9), (LONG, "x" * 101), ("[SEP]a", "b[CLS]")]
BROKEN = [b"\xff", b"a\xffb", b"a\xc3", b"\xe2\x82", b"\xe2\x82z", b"\xed\xa0\x80", b"\xf0\x9f\x99", b"\xf4\x90\x80\x80", b"\xc0\xaf",
          b"\xf0\x80\x80\x80", b"\x80\x80", b"ok \xf0\x9f\x99\x82 \xf0\x9f"]

SETTINGS = {
    "uncased": {},
    "cased": dict(lowercase=False, strip_accents=False),
    "lower-only": dict(lowercase=True, strip_accents=False),
    "strip-only": dict(lowercase=False, strip_accents=True),
    "as-it-is": dict(clean_text=False, handle_chinese_chars=False, lowercase=False, strip_accents=False),
    "unclean": dict(clean_text=False),
}


def tokenizer_of(settings):
    vocab = {token: i for i, token in enumerate(VOCABULARY)}
    assert len(vocab) == len(VOCABULARY)
    out = Tokenizer(WordPiece(vocab, unk_token="[UNK]", max_input_chars_per_word=100))
    full = dict(clean_text=True, handle_chinese_chars=True, lowercase=True, strip_accents=True)
    out.normalizer = BertNormalizer(**{**full, **settings})
    out.pre_tokenizer = BertPreTokenizer()
    out.add_special_tokens(VOCABULARY[:5])
    out.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
                                            special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return out


def main():
    groups = []
    for name, settings in SETTINGS.items():
        tokenizer = tokenizer_of(settings)
        group = {"name": name, "settings": settings, "texts": [], "bytes": [], "pairs": []}
        for text in TEXTS:
            group["texts"].append({"text": text, "ids": tokenizer.encode(text).ids})
        for broken in BROKEN:
            ids = tokenizer.encode(broken.decode(errors="replace")).ids
            group["bytes"].append({"hex": broken.hex(), "ids": ids})
        for length in (2, 3, 7, 16) if name == "uncased" else ():
            tokenizer.enable_truncation(length)
            for text in (LONG, "unaffable cats", "cat"):
                group["texts"].append({"text": text, "max_length": length, "ids": tokenizer.encode(text).ids})
        for length in (0, 3, 4, 5, 8, 12, 13, 20) if name == "uncased" else (0, 9):
            if length:
                tokenizer.enable_truncation(length, strategy="longest_first")
            else:
                tokenizer.no_truncation()
            for a, b in PAIRS:
                got = tokenizer.encode(a, b)
                group["pairs"].append({"a": a, "b": b, "max_length": length, "ids": got.ids, "types": got.type_ids})
        groups.append(group)
    document = {"made_with": "tokenizers " + tokenizers.__version__, "vocabulary": VOCABULARY}
    print(json.dumps(document, ensure_ascii=True)[:-1] + ', "groups": [')
    for i, group in enumerate(groups):
        print(json.dumps(group, ensure_ascii=True, separators=(",", ":")) + ("," if i + 1 < len(groups) else ""))
    print("]}")


if __name__ == "__main__":
    main()
