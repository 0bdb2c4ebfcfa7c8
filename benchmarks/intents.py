"""Intents, classifiers and noise: how good the shipped embedding and what is learned on it are, beside simpler methods.

`python benchmarks/intents.py [--split val]` prints the tables and writes benchmarks/results/intents.json. The data (public intent sets and
recorded outcomes) is found through POINTSMAN_DATA. Weights were chosen on the val splits; without `--split` the test splits are read.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score

from pointsman.signals import classifier, intents
from pointsman.signals.canonical import folded
from pointsman.signals.embedding import SHIPPED, shipped
from pointsman.signals.noise import NOISES, flips, worst_prefix

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("POINTSMAN_DATA", ROOT.parent / "shared/data"))
RESULTS = Path(__file__).parent / "results" / "intents.json"
SETS = ("clinc150", "banking77", "hwu64")
DRAWS, SHOTS, RESAMPLES = 5, 10, 2_000
NONE = "oos"

Floats = NDArray[np.float64]


class Said(NamedTuple):
    """What a method says of texts: the class, and how sure it is that there is one."""

    labels: list[str]
    sure: Floats


def main() -> None:
    """Run all parts."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--split", default="test", choices=("val", "test"))
    split = arguments.parse_args().split
    result = {
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": platform.processor() or platform.machine(),
        "embedder": SHIPPED,
        "split": split,
        "intents": [row for name in SETS for row in intent_rows(name, split)],
        "classifiers": [classifier_row(name, split) for name in ("mmlu_pro", "routellm_mmlu")],
        "noise": [row for name in ("routellm_gsm8k", "routellm_mmlu") for row in noise_rows(name, split)],
        "time": times(),
    }
    if split == "test":
        RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    for part in ("intents", "classifiers", "noise", "time"):
        for row in result[part] if isinstance(result[part], list) else [result[part]]:
            print(json.dumps(row))


# --- intents


def texts_of(name: str) -> dict[str, list[tuple[str, str]]]:
    """Texts and labels by split."""
    table = pq.read_table(DATA / "text" / name / "rows.parquet", columns=["text", "label", "split"])
    rows: dict[str, list[tuple[str, str]]] = {}
    for text, label, split in zip(*(table[column].to_pylist() for column in ("text", "label", "split")), strict=True):
        rows.setdefault(split, []).append((text, label))
    return rows


def drawn(rows: Sequence[tuple[str, str]], seed: int) -> dict[str, list[str]]:
    """Ten examples a class."""
    chance = random.Random(seed)
    known: dict[str, list[str]] = {}
    for text, label in rows:
        if label != NONE:
            known.setdefault(label, []).append(text)
    return {label: chance.sample(known[label], min(SHOTS, len(known[label]))) for label in sorted(known)}


def ours(examples: dict[str, list[str]], texts: Sequence[str]) -> Said:
    """The product."""
    fitted = intents.fit(examples, shipped())
    guesses = [fitted.guess(text) for text in texts]
    return Said([guess.best for guess in guesses], np.array([guess.margin for guess in guesses]))


def centroid(examples: dict[str, list[str]], texts: Sequence[str]) -> Said:
    """The nearest mean of the examples' vectors."""
    means = np.stack([shipped().embed(each).mean(axis=0) for each in examples.values()])
    cosines = shipped().embed(texts) @ (means / np.linalg.norm(means, axis=1, keepdims=True)).T
    names = list(examples)
    return Said([names[at] for at in cosines.argmax(axis=1)], cosines.max(axis=1))


def tfidf(examples: dict[str, list[str]], texts: Sequence[str]) -> Said:
    """TF-IDF over words and pairs of words, and logistic regression."""
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    known = [text for each in examples.values() for text in each]
    model = LogisticRegression(C=30, max_iter=300).fit(
        words.fit_transform(known), [label for label, each in examples.items() for _ in each]
    )
    chances = model.predict_proba(words.transform(texts))
    return Said([model.classes_[at] for at in chances.argmax(axis=1)], chances.max(axis=1))


METHODS: dict[str, Callable[[dict[str, list[str]], Sequence[str]], Said]] = {"intents": ours, "centroid": centroid, "tfidf": tfidf}


def intent_rows(name: str, split: str) -> list[dict[str, Any]]:
    """Accuracy and AUROC of each method, over draws of the examples."""
    rows = texts_of(name)
    texts, labels = zip(*rows[split], strict=True)
    known = np.array([label != NONE for label in labels])
    right: dict[str, list[Floats]] = {method: [] for method in METHODS}
    sure: dict[str, list[Floats]] = {method: [] for method in METHODS}
    for seed in range(DRAWS):
        examples = drawn(rows["train"], seed)
        for method, says in METHODS.items():
            said = says(examples, texts)
            right[method].append(np.array([a == b for a, b in zip(said.labels, labels, strict=True)], float)[known])
            sure[method].append(said.sure)
    chance = np.random.default_rng(0)
    samples = chance.integers(0, known.sum(), (RESAMPLES, known.sum()))
    result = []
    for method in METHODS:
        each = np.mean(right[method], axis=0)
        low, high = np.quantile(each[samples].mean(axis=1), (0.025, 0.975))
        gain = each - np.mean(right["centroid"], axis=0)
        row = {"set": name, "method": method, "accuracy": each.mean(), "low": low, "high": high, "over_centroid": gain.mean()}
        row["over_centroid_low"], row["over_centroid_high"] = np.quantile(gain[samples].mean(axis=1), (0.025, 0.975))
        if not known.all():
            row |= auroc(known, sure[method], chance)
        if method == "intents":
            row["kept"] = float(np.mean([(each[known] >= 0).mean() for each in sure[method]]))
            row["none_refused"] = float(np.mean([(each[~known] < 0).mean() for each in sure[method]])) if not known.all() else None
        result.append({key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()})
    return result


def auroc(known: NDArray[np.bool_], sure: Sequence[Floats], chance: np.random.Generator) -> dict[str, float]:
    """Of texts that belong to a class over those that do not, with an interval over both."""
    mean = float(np.mean([roc_auc_score(known, each) for each in sure]))
    inside, outside = np.flatnonzero(known), np.flatnonzero(~known)
    again = []
    for _ in range(200):
        at = np.concatenate((chance.choice(inside, len(inside)), chance.choice(outside, len(outside))))
        again.append(np.mean([roc_auc_score(known[at], each[at]) for each in sure]))
    low, high = np.quantile(again, (0.025, 0.975))
    return {"auroc": mean, "auroc_low": float(low), "auroc_high": float(high)}


# --- classifiers and noise


def outcomes(name: str, split: str) -> tuple[list[str], list[str], Floats]:
    """Prompts of a set of recorded outcomes, their tasks, and qualities with one column a model, in an order that is always the same."""
    columns = ["query_id", "split", "prompt", "task", "model", "quality"]
    table = pq.read_table(DATA / "outcomes" / name / "outcomes.parquet", columns=columns)
    found: dict[str, tuple[str, str, dict[str, float]]] = {}
    for query, where, prompt, task, model, quality in zip(*(table[column].to_pylist() for column in columns), strict=True):
        if where == split:
            found.setdefault(query, (prompt, task, {}))[2][model] = quality
    rows = [found[query] for query in sorted(found)]
    random.Random(0).shuffle(rows)
    models = sorted({model for row in rows for model in row[2]})
    qualities = np.array([[row[2].get(model, np.nan) for model in models] for row in rows])
    return [row[0] for row in rows], [row[1] for row in rows], qualities


def classifier_row(name: str, split: str) -> dict[str, Any]:
    """The subject of a question, learned from 1,500 others."""
    texts, labels, _ = outcomes(name, "train")
    common = {label for label in labels if labels.count(label) > 1}
    train = [(text, label) for text, label in zip(texts, labels, strict=True) if label in common][:1_500]
    fitted = classifier.fit([text for text, _ in train], [label for _, label in train], shipped())
    texts, labels, _ = outcomes(name, split)
    guesses = [fitted.guess(text) for text in texts[:1_500]]
    right = np.array([guess.best == label for guess, label in zip(guesses, labels, strict=False)], float)
    sure = np.array([guess.confidence for guess in guesses])
    bins = np.minimum((sure * 10).astype(int), 9)
    error = sum(abs(right[bins == at].mean() - sure[bins == at].mean()) * (bins == at).mean() for at in np.unique(bins))
    kept = np.array([guess.label is not None for guess in guesses])
    samples = np.random.default_rng(0).integers(0, len(right), (RESAMPLES, len(right)))
    low, high = np.quantile(right[samples].mean(axis=1), (0.025, 0.975))
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    model = LogisticRegression(C=30, max_iter=300).fit(words.fit_transform([text for text, _ in train]), [label for _, label in train])
    return {
        "set": name,
        "labels": len(fitted.labels),
        "accuracy": round(float(right.mean()), 4),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
        "tfidf_logistic": round(float((model.predict(words.transform(texts[:1_500])) == labels[:1_500]).mean()), 4),
        "most_common": round(max(labels.count(label) for label in set(labels)) / len(labels), 4),
        "calibration_error": round(float(error), 4),
        "kept": round(float(kept.mean()), 4),
        "accuracy_of_kept": round(float(right[kept].mean()), 4),
        "expected": asdict(fitted.quality),
    }


def _cuts(text: str) -> tuple[str, ...]:
    """The text, it without its first sixteen words, and its second half: the least of three is harder to talk up than one."""
    words = text.split()
    half = len(words) // 2
    return text, " ".join(words[min(16, half) :]), " ".join(words[half:])


def noise_rows(name: str, split: str) -> list[dict[str, Any]]:
    """How often a linear head that sends half of the texts to the better model changes its mind, and how far a prefix moves its share."""
    texts, _, qualities = outcomes(name, "train")
    gap = qualities @ np.array([1.0, -1.0])  # of the first of the two models over the second, or the other way round
    gap *= np.sign(gap.mean())
    texts, gap = texts[:2_000], gap[:2_000]
    fresh, _, _ = outcomes(name, split)
    words = sorted({word for text in texts for word in text.split() if word.isalpha()})
    cased = HashingVectorizer(lowercase=False, ngram_range=(1, 2), n_features=1 << 15, token_pattern=r"\S+", alternate_sign=False)

    def embedded(some: Sequence[str]) -> Floats:
        return shipped().embed([folded(text) for text in some])

    grams = Ridge(1.0).fit(cased.transform(texts), gap)
    head = Ridge(3.0).fit(embedded(texts), gap)
    heads: dict[str, Callable[[Sequence[str]], Floats]] = {
        "words as written": lambda some: grams.predict(cased.transform(some)),
        "embedding of folded text": lambda some: head.predict(embedded(some)),
        "least of three views": lambda some: np.min([head.predict(embedded(each)) for each in zip(*map(_cuts, some), strict=True)], axis=0),
    }
    return [noise_row(name, method, score, texts, fresh, words) for method, score in heads.items()]


def noise_row(
    name: str, method: str, score: Callable[[Sequence[str]], Floats], texts: Sequence[str], fresh: Sequence[str], words: Sequence[str]
) -> dict[str, Any]:
    """One head."""
    middle = float(np.median(score(texts)))

    def strong(some: Sequence[str]) -> list[bool]:
        return (score(some) > middle).tolist()

    row: dict[str, Any] = {"set": name, "method": method, "texts": len(fresh[:300])}
    row |= {noise: round(flips(strong, fresh[:300], change, seed=1), 4) for noise, change in NOISES.items()}
    plain, worst = worst_prefix(lambda some: float(np.mean(strong(some))), fresh[:60], words, seed=1)
    return row | {"strong_share": round(plain, 4), "under_the_worst_prefix": round(worst.share, 4)}


def times() -> dict[str, Any]:
    """Milliseconds of one text, one thread: median of 200, no two of which are the same, for the latest text is remembered."""
    text = " ".join(("the points of a railway send each train down the right track because the interlocking allows it " * 40).split()[:20])
    few = dict(list(drawn(texts_of("clinc150")["train"], 0).items())[:20])
    fitted = intents.fit(few, shipped())

    def median(call: Callable[[str], object]) -> float:
        taken = []
        for number in range(200):
            other = f"{number} {text}"
            begun = time.perf_counter()
            call(other)
            taken.append((time.perf_counter() - begun) * 1_000)
        return round(sorted(taken)[100], 4)

    return {
        "embed_20_words_ms": median(lambda other: shipped().embed([other])),
        "embed_300_words_ms": median(lambda other: shipped().embed([other * 15])),
        "intent_20_words_20_intents_ms": median(fitted.guess),
    }


if __name__ == "__main__":
    main()
