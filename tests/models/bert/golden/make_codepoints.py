#!/usr/bin/env python3
"""make_codepoints.py [--check hf_bert_uncased_codepoints.tsv] > plugins/models/bert/codepoint_tables.cpp

Asks the reference (Python package tokenizers; the kept file was made with 0.23.3) what its BertNormalizer
and BertPreTokenizer make of each code point, and prints it as C++. With --check, the golden table of an
uncased model must say the same.
"""
import argparse
import unicodedata

import tokenizers
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

CODEPOINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
HANGUL = range(0xAC00, 0xAC00 + 11172)
LARGEST_GAP = 8  # unchanged code points within a run
COLUMNS = 100


def normaliser(**settings):
    off = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return BertNormalizer(**{**off, **settings})


def changes(**settings):
    one = normaliser(**settings)
    return {c: to for c in CODEPOINTS if (to := one.normalize_str(chr(c))) != chr(c)}


def classes():
    """White space and punctuation, as the pre-tokenizer has them."""
    split = BertPreTokenizer().pre_tokenize_str
    white, punctuation = [], []
    for c in CODEPOINTS:
        parts = [text for text, _ in split("a" + chr(c) + "a")]
        if len(parts) == 3:
            punctuation.append(c)
        elif len(parts) == 2:
            white.append(c)
    return white, punctuation


def ranges(codepoints):
    out = []
    for c in sorted(codepoints):
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def runs(single, fits):
    """Runs of code points that become one each; `fits` says what may stand unchanged in a gap."""
    out = []
    for c in sorted(single):
        if out:
            first, text = out[-1]
            gap = range(first + len(text), c)
            if len(gap) <= LARGEST_GAP and all(map(fits, gap)):
                out[-1] = (first, text + "".join(map(chr, gap)) + single[c])
                continue
        out.append((c, single[c]))
    return out


def literal(character):
    c = ord(character)
    if character in '"\\':
        return "\\" + character
    if c < 0x7F or (unicodedata.category(character)[0] in "LNP" and
                    unicodedata.bidirectional(character) in ("L", "ON")):
        return character
    return f"\\u{c:04X}" if c < 0x10000 else f"\\U{c:08X}"


def print_list(items, indent="    "):
    line = indent
    for item in items:
        if len(line) + len(item) + 2 > COLUMNS:
            print(line.rstrip())
            line = indent
        line += item + ", "
    if line.strip():
        print(line.rstrip())


def print_runs(items):
    short = [f"{{{c:#x}, U\"{''.join(map(literal, text))}\"}}" for c, text in items if len(text) <= 12]
    print_list(short)
    for c, text in items:
        if len(text) <= 12:
            continue
        print(f"    {{{c:#x},")
        line = ""
        for character in map(literal, text):
            # Wide characters count twice, so that the columns hold on a screen.
            if sum(2 if ord(x) >= 0x2E80 else 1 for x in line + character) > COLUMNS - 12:
                print(f'     U"{line}"')
                line = ""
            line += character
        print(f'     U"{line}"}},')


def check(path):
    full = normaliser(clean_text=True, handle_chinese_chars=True, strip_accents=True, lowercase=True)
    said = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if not line.startswith("#"):
                c, to, _ = line.rstrip("\n").split("\t")
                said[int(c, 16)] = "".join(chr(int(x, 16)) for x in to.split())
    wrong = [c for c in CODEPOINTS if full.normalize_str(chr(c)) != said.get(c, chr(c))]
    assert not wrong, f"{len(wrong)} code points differ from {path}: {wrong[:10]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", help="hf_bert_uncased_codepoints.tsv")
    own = parser.parse_args()
    if own.check:
        check(own.check)
    white, punctuation = classes()
    removed = [c for c, to in changes(clean_text=True).items() if to == ""]
    stripped, lowered = changes(strip_accents=True), changes(lowercase=True)
    for i, c in enumerate(HANGUL):
        jamo = chr(0x1100 + i // 588) + chr(0x1161 + i // 28 % 21) + (chr(0x11A7 + i % 28) if i % 28 else "")
        assert stripped.pop(c) == jamo
    marks = [c for c, to in stripped.items() if to == ""]
    plain = lambda mapping: lambda c: c not in mapping and unicodedata.category(chr(c))[0] in "LN"
    single = lambda mapping: {c: to for c, to in mapping.items() if len(to) == 1}
    many = lambda mapping: sorted((c, to) for c, to in mapping.items() if len(to) > 1)

    print("// Made by tests/models/bert/golden/make_codepoints.py with tokenizers "
          f"{tokenizers.__version__}; not to be edited.")
    print('#include "bert/codepoint_tables.h"\n\nnamespace bert::tables {\nnamespace {\n\n// clang-format off')
    for name, codepoints in (("Removed", removed), ("WhiteSpace", white), ("Punctuation", punctuation),
                             ("Marks", marks)):
        print(f"constexpr Range k{name}[] = {{")
        print_list([f"{{{a:#x}, {b:#x}}}" for a, b in ranges(codepoints)])
        print("};")
    for name, mapping in (("Stripped", stripped), ("Lowered", lowered)):
        print(f"constexpr Run k{name}[] = {{")
        print_runs(runs(single(mapping), plain(mapping)))
        print(f"}};\nconstexpr Expansion k{name}ToMany[] = {{")
        print_list([f"{{{c:#x}, U\"{''.join(map(literal, to))}\"}}" for c, to in many(mapping)])
        print("};")
    print("// clang-format on\n\n}  // namespace\n")
    for function, kind, name in (("removed", "Range", "Removed"), ("white_space", "Range", "WhiteSpace"),
                                 ("punctuation", "Range", "Punctuation"), ("marks", "Range", "Marks"),
                                 ("stripped", "Run", "Stripped"),
                                 ("stripped_to_many", "Expansion", "StrippedToMany"),
                                 ("lowered", "Run", "Lowered"),
                                 ("lowered_to_many", "Expansion", "LoweredToMany")):
        print(f"std::span<const {kind}> {function}() {{ return k{name}; }}")
    print("\n}  // namespace bert::tables")


if __name__ == "__main__":
    main()
