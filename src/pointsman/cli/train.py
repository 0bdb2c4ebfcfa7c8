"""Train what routing learns from.

pointsman train classifier labels.jsonl -o task.classifier
pointsman train quality outcomes.jsonl -o quality.bundle
pointsman train confidence outcomes.jsonl -o answers.confidence

Each line of the labels is a JSON object with `text` and `label`. The classifier tells how good it is: every example is judged by what the
others say, beside the accuracy of always naming the most common label.

Outcomes are as `pointsman eval` reads them. The bundle tells whether choosing by query beats the best mix of single models, on queries
that it was not fitted on. Confidence is learned from outcomes with their answers, and tells how well it knows right answers from wrong
ones, beside what the prompt alone says of them.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from pointsman.build.embedding import whole, whole_and_end
from pointsman.cli import embedding
from pointsman.cli.progress import progress
from pointsman.cli.source import tell
from pointsman.errors import ConfigError
from pointsman.signals import classifier

if TYPE_CHECKING:
    from pointsman.estimators.outcomes import Outcomes
    from pointsman.evals.doubt import Selected

MOST_BYTES = 500_000_000  # of labelled texts


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    kinds = parser.add_subparsers(dest="kind", metavar="KIND", required=True)
    one = kinds.add_parser(
        "classifier",
        help="Tells tasks, domains or difficulties apart",
        description="Train a classifier, which tells tasks, domains or difficulties apart.",
    )
    one.add_argument("labels", type=Path, help="labelled texts: JSON lines with `text` and `label`")
    one.add_argument("-o", "--output", type=Path, required=True, help="file to write")
    one.add_argument(
        "--sure", type=float, default=classifier.SURE, help="confidence, 0 to 1, under which it abstains; default: %(default)s"
    )
    embedding.argument(one)
    embedding.config_argument(one)
    one.add_argument("--json", action="store_true", help="print JSON")
    one.set_defaults(train=_classifier)
    one = kinds.add_parser(
        "quality",
        help="Says how good each model's answers would be",
        description="Train a bundle, which says how good each model's answers would be.",
    )
    one.add_argument("data", type=Path, metavar="DATA", help="recorded outcomes, as `pointsman eval` reads them")
    one.add_argument("-o", "--output", type=Path, required=True, help="file to write")
    one.add_argument("--pool", metavar="MODELS", help="the models to learn, with commas (default: all)")
    one.add_argument("--splits", metavar="NAMES", help="use these splits of the data only, with commas, as in `train,val` (default: all)")
    words_argument(one)
    one.add_argument("--seed", type=int, default=0, help="of what is drawn by chance; default: %(default)s")
    embedding.argument(one)
    embedding.config_argument(one)
    one.add_argument("--json", action="store_true", help="print JSON")
    one.set_defaults(train=_quality)
    one = kinds.add_parser(
        "confidence", help="Says how likely an answer is right", description="Train confidence, which says how likely an answer is right."
    )
    one.add_argument("data", type=Path, metavar="DATA", help="recorded outcomes with `response`, as `pointsman eval` reads them")
    one.add_argument("-o", "--output", type=Path, required=True, help="file to write")
    one.add_argument("--pool", metavar="MODELS", help="the models to learn, with commas (default: all)")
    one.add_argument("--splits", metavar="NAMES", help="use these splits of the data only, with commas, as in `train,val` (default: all)")
    words_argument(one)
    one.add_argument(
        "--drop-incomplete", action="store_true", help="learn only from queries to which every model's answer has a quality and a cost"
    )
    one.add_argument("--seed", type=int, default=0, help="of what is drawn by chance; default: %(default)s")
    one.add_argument("--json", action="store_true", help="print JSON")
    one.set_defaults(train=_confidence)


def words_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--content-keys`, for data that are a decision log."""
    sealing = "of a decision log: what its words are sealed with (default: `<log>-content-keys`, if it exists)"
    parser.add_argument("--content-keys", metavar="FILE", type=Path, help=sealing)


def doubted_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--drop-doubted`, for data that are a decision log."""
    doubted = "of a decision log: leave out requests that people saw because an earlier answer was doubted or had failed"
    parser.add_argument("--drop-doubted", action="store_true", help=doubted)


def run(given: argparse.Namespace) -> int:
    """Train, write, and say how good it is."""
    status: int = given.train(given)
    return status


def _quality(given: argparse.Namespace) -> int:
    import numpy as np

    from pointsman.estimators import bundle
    from pointsman.estimators.blend import Blend

    if given.seed < 0:
        raise ConfigError(f"--seed: {given.seed} is below 0")
    if not given.output.parent.is_dir():
        raise ConfigError(f"{given.output}: cannot be written: there is no folder {given.output.parent}")
    with progress() as step:
        step(f"reading {given.data}")
        outcomes = read_outcomes(given.data, given.pool, given.splits, keys=given.content_keys)
        labels = np.isfinite(outcomes.quality).sum(axis=0)
        embedder = embedding.embedder_for(given, [query.text for query in outcomes.queries], whole_and_end, step)
        step(f"fitting on {len(outcomes.queries):,} queries and {len(outcomes.models)} models")
        fitted = Blend(embedder).fit(outcomes, seed=given.seed)
        step(f"writing {given.output}")
        content = bundle.dump(fitted)
    _write(given.output, content)
    models = {model: int(count) for model, count in zip(outcomes.models, labels, strict=True)}
    name, verdict = bundle.digest(content), fitted.verdict
    if given.json:
        told = {
            "queries": len(outcomes.queries),
            "outcomes": models,
            "borrowing": {**fitted.borrowing},
            "data": outcomes.digest(),
            "bundle": name,
        }
        print(json.dumps({**told, "verdict": {**asdict(verdict), "said": verdict.said}}, indent=2))
        return 0
    print(f"{given.output}: {name}, {len(content):,} bytes")
    print(f"  {len(outcomes.queries):,} queries, data sha256:{outcomes.digest()}")
    print(f"  outcomes of {', '.join(f'{model} {count:,}' for model, count in models.items())}")
    print(f"  {verdict.said}")
    if fitted.borrowing:
        print(f"  without {', '.join(fitted.borrowing)}: known by few outcomes, and reckoned from what the others give")
    return 0


def _confidence(given: argparse.Namespace) -> int:
    from pointsman.estimators import confidence_file
    from pointsman.evals.answer_learning import learn

    if given.seed < 0:
        raise ConfigError(f"--seed: {given.seed} is below 0")
    with progress() as step:
        step(f"reading {given.data}")
        if given.drop_incomplete:
            outcomes = whole_outcomes(given.data, given.pool, given.splits, drop=True, keys=given.content_keys)
        else:
            outcomes = read_outcomes(given.data, given.pool, given.splits, answers=True, keys=given.content_keys)
        learned = learn(outcomes, given.seed, step)
        step(f"writing {given.output}")
    content, signal = confidence_file.dump(learned.confidence), learned.signal
    _write(given.output, content)
    name, answers = confidence_file.digest(content), learned.confidence.labels
    if given.json:
        about = {"queries": learned.queries, "models": learned.models, "data": outcomes.digest(), "confidence": name}
        pairs = [{"tasks": one.tasks, "asked": one.asked, "then": one.strong} for one in learned.confidence.openings.pairs]
        print(json.dumps({**about, "answers": answers, "left_out": learned.left_out, **asdict(signal), "pairs": pairs}, indent=2))
        return 0
    print(f"{given.output}: {name}, {len(content):,} bytes")
    print(f"  {answers:,} answers of {', '.join(learned.models)} to {learned.queries:,} queries, data sha256:{outcomes.digest()}")
    if learned.left_out:
        print(f"  {learned.left_out:,} answers more have a quality, but their text is not known")
    print(f"  right from wrong, on answers not learned from: AUC {signal.auc:.3f}; by the prompt alone {signal.auc_of_prompt:.3f}")
    print(f"  calibration error {signal.ece:.3f}")
    for one in learned.confidence.openings.pairs:
        how = "asked at once" if len(one.asked) > 1 else "looked at"
        print(f"  with `worth_usd`, {', '.join(one.tasks) or 'all tasks'}: {' and '.join(one.asked)} {how}, then {one.strong}")
    return 0


def whole_outcomes(
    path: Path, pool: str | None, splits: str | None, *, drop: bool, keys: Path | None = None, drop_doubted: bool = False
) -> Outcomes:
    """Outcomes with answers, and nothing missing; `drop`: leave out what is, and say so."""
    from pointsman.evals.rows import whole

    kept = whole(read_outcomes(path, pool, splits, answers=True, keys=keys, drop_doubted=drop_doubted), drop=drop)
    if kept.models or kept.queries:
        tell((f"left out: {', '.join(kept.models) or 'no model'}; {kept.queries:,} queries with missing cells",))
    return kept.outcomes


def read_outcomes(
    path: Path, pool: str | None, splits: str | None, *, answers: bool = False, keys: Path | None = None, drop_doubted: bool = False
) -> Outcomes:
    """Recorded outcomes of some models and splits, with commas. Raises `ConfigError` where there is no quality among them."""
    import numpy as np

    outcomes = recorded(path, keys, answers=answers, drop_doubted=drop_doubted)
    outcomes = outcomes.pool(pool.split(",")) if pool else outcomes
    outcomes = in_splits(outcomes, splits, path)
    if np.isnan(outcomes.quality).all():
        raise ConfigError(no_quality(path))
    return outcomes


def in_splits(outcomes: Outcomes, names: str | None, path: Path) -> Outcomes:
    """Those of some splits, with commas; all without. Raises `ConfigError` for a name that none of them has."""
    if not names:
        return outcomes
    wanted, known = names.split(","), sorted({query.split for query in outcomes.queries} - {""})
    if unknown := [name for name in wanted if name not in known]:
        there = f"it has {', '.join(f'`{name}`' for name in known)}" if known else "its queries name none: leave `--splits` out"
        raise ConfigError(f"{path}: no split `{unknown[0]}`: {there}")
    return outcomes.rows([at for at, query in enumerate(outcomes.queries) if query.split in wanted])


def no_quality(path: Path) -> str:
    """What to do where none is known."""
    judge = "have people judge answers (a route's `review.sample` draws some, `pointsman review` decides them), or name another file"
    cure = judge if path.suffix == ".db" else "add the column `quality`, 0 to 1 (docs/evals.md)"
    return f"{path}: no quality is recorded: {cure}"


def recorded(path: Path, keys: Path | None, *, answers: bool = False, drop_doubted: bool = False) -> Outcomes:
    """Outcomes from a file, a folder, or a decision log with its content keys; of a log it is told how many words could be read,
    and which requests are no sample of all."""
    from pointsman.evals.decision_log import read_log, told
    from pointsman.evals.doubt import warned
    from pointsman.evals.read import read

    if path.suffix == ".db":
        outcomes, found = read_log(path, keys=keys), selected_in(path)
        if warning := warned(found, outcomes):
            note = f"left out: {len(found.among(outcomes).ids):,} requests that people saw because an answer was doubted or had failed"
            tell((told(outcomes), note if drop_doubted else warning))
        else:
            tell((told(outcomes),))
        return outcomes.rows([at for at, query in enumerate(outcomes.queries) if query.id not in found.ids]) if drop_doubted else outcomes
    if drop_doubted:
        raise ConfigError(f"--drop-doubted: {path} is no decision log: leave it out, or name the log's file, which ends in `.db`")
    if keys is not None:
        raise ConfigError(f"--content-keys: {path} is no decision log: leave it out, or name the log's file, which ends in `.db`")
    return read(path, answers=answers)


def selected_in(path: Path) -> Selected:
    """Of a decision log, the requests that were judged because of what their own calls came to; none of any other file."""
    from pointsman.evals.doubt import Selected, selected

    return selected(path) if path.suffix == ".db" else Selected()


def _classifier(given: argparse.Namespace) -> int:
    if not 0 <= given.sure <= 1:
        raise ConfigError(f"--sure: {given.sure} is not a confidence: give 0 to 1")
    texts, labels = zip(*_labelled(given.labels), strict=True)
    with progress() as step:
        embedder = embedding.embedder_for(given, texts, whole, step)
    fitted = classifier.fit(texts, labels, embedder, given.sure)
    _write(given.output, fitted.dump())
    quality = fitted.quality
    if given.json:
        print(json.dumps({"labels": fitted.labels, **asdict(quality)}, indent=2))
        return 0
    print(f"{given.output}: {len(fitted.labels)} labels, learned from {quality.examples:,} examples")
    if quality.left_out:
        print(f"  {quality.left_out:,} more were left out, evenly over the labels: it learns from {classifier.MOST_EXAMPLES:,} at most")
    print(f"  accuracy {quality.accuracy:.3f}, each example judged by the others; always the most common label {quality.baseline:.3f}")
    print(f"  sure ({fitted.sure:g}) of {quality.kept:.1%}, of which right {quality.accuracy_of_kept:.3f}")
    print(f"  calibration error {quality.calibration_error:.3f}")
    return 0


def _labelled(path: Path) -> Iterator[tuple[str, str]]:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ConfigError(f"{path}: longer than {MOST_BYTES:,} bytes: give fewer examples")
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    found = False
    for number, line in enumerate(lines, 1):
        if line.strip():
            found = True
            yield _example(line, f"{path}:{number}")
    if not found:
        raise ConfigError(f'{path}: holds no examples: write lines such as {{"text": "2 + 2?", "label": "maths"}}')


def _example(line: str, where: str) -> tuple[str, str]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{where}: not JSON: {error}") from error
    text, label = (found.get("text"), found.get("label")) if isinstance(found, dict) else (None, None)
    if not isinstance(text, str) or not isinstance(label, str) or not label:
        raise ConfigError(f"{where}: an example is an object with `text` and `label`, both strings")
    return text, label


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all: a gateway that reads the file meanwhile finds the old one."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise ConfigError(f"{path}: cannot be written: {error}") from error
