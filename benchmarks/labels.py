"""How well sensitive data is found, and how long that takes.

`python benchmarks/labels.py` prints the figures and writes benchmarks/results/labels.json. Two kinds of samples: requests made from a seed
(`pointsman.testing.sensitive_texts`), and public texts, where they are: sentences with marked personal data, and questions to a bank or an
assistant that hold none. The public texts are cut into two halves by a hash of their group; `--half development` is what the recognisers
were written on, `report`, the default, is not, and includes every row that its publisher calls a test.

Beside ours stand two baselines with the same patterns: alone, as a list of regular expressions would be used, and with their check digits
and the words that must be near, but reading texts only as they are written.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

from pointsman.signals.sensitivity.detect import Detected, Detector, Finding
from pointsman.signals.sensitivity.known import KNOWN_RECOGNISERS
from pointsman.signals.sensitivity.measure import Confusion, Detects, Share, confusion
from pointsman.signals.sensitivity.recogniser import Compiled, compile_one
from pointsman.signals.sensitivity.texts import Piece
from pointsman.testing.sensitive_followed import followed
from pointsman.testing.sensitive_texts import benign, sensitive

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "labels.json"
DATA = Path(os.environ.get("POINTSMAN_DATA", ROOT.parent / "shared" / "data")) / "text"
KEY = b"only for measuring."
SEED = 50_021
COUNT = 5_000
SEARCHED = (
    *("CREDIT_CARD", "IBAN_CODE", "US_SSN", "EMAIL_ADDRESS", "PHONE_NUMBER", "IP_ADDRESS", "US_DRIVER_LICENSE"),
    *("STREET_ADDRESS", "ADDRESS", "PERSON", "ZIP_CODE"),
)
"""What the recognisers are for, of the kinds that are marked; beside them titles, organisations, places and nationalities are."""
STRUCTURED = SEARCHED[:6]


class AsWritten:
    """The same patterns on texts as they are written: nothing folded, decoded, pulled together, or read across turns."""

    def __init__(self, *, checked: bool) -> None:
        self._recognisers = [compile_one(source) for source in KNOWN_RECOGNISERS]
        self._checked = checked

    def detect(self, pieces: Sequence[Piece], key: bytes) -> Detected:
        """What the patterns match; with `checked` only what passes its check, and has its words near."""
        return Detected(
            tuple(
                Finding(one.source.kind, one.source.name, 1.0, piece.where, number, start, end, "")
                for number, piece in enumerate(pieces)
                for one in self._recognisers
                for start, end in self._spans(one, piece.text)
            )
        )

    def _spans(self, one: Compiled, text: str) -> Iterator[tuple[int, int]]:
        raw = text.encode()
        for match in one.pattern.finditer(raw):
            start, end = match.span(one.group) if match.span(one.group)[0] >= 0 else match.span()
            if self._checked:
                if one.confidence(raw, start, end) < 0.5:
                    continue
                if one.check is not None:
                    real = one.check(raw[start:end].decode("ascii", "replace"))
                    if real is None:
                        continue
                    start, end = start + real[0], start + real[1]
            yield len(raw[:start].decode("utf-8", "replace")), len(raw[:end].decode("utf-8", "replace"))


BASELINES = {"patterns alone": AsWritten(checked=False), "patterns with checks and words": AsWritten(checked=True)}


def rows(name: str, half: str) -> Iterator[dict[str, Any]]:
    """One half of a public set; nothing where the sets are not."""
    import pyarrow.parquet as parquet

    for row in parquet.read_table(DATA / name / "rows.parquet").to_pylist():
        even = hashlib.sha256(str(row["group_key"]).encode()).digest()[0] % 2 == 0
        mine = "development" if even and row["split"] != "test" else "report"
        if mine == half:
            yield row


def marked(detector: Detector, half: str) -> dict[str, Any]:
    """Spans that were marked by hand: of how many a finding covers some part, and of how many findings cover every letter and digit."""
    shares: dict[str, list[int]] = {}
    covered: dict[str, list[int]] = {}
    texts = [0, 0]
    clean = [0, 0]
    missed: Counter[str] = Counter()
    for row in rows("presidio_pii", half):
        found = detector.detect((Piece(row["text"]),), KEY).findings
        wanted = [span for span in row["spans"] if span["entity_type"] in SEARCHED]
        for span in row["spans"]:
            hit = any(one.start < span["end"] and one.end > span["start"] for one in found)
            for counted, right in ((shares, hit), (covered, wholly(row["text"], span, found))):
                counts = counted.setdefault(span["entity_type"], [0, 0])
                counts[0] += right
                counts[1] += 1
            if not hit and span["entity_type"] in SEARCHED:
                missed[span["entity_type"]] += 1
        if wanted:
            texts[0] += bool(found)
            texts[1] += 1
        if not row["spans"]:
            clean[0] += bool(found)
            clean[1] += 1
    structured, structured_covered = ([sum(one.get(name, [0, 0])[at] for name in STRUCTURED) for at in (0, 1)] for one in (shares, covered))
    return {
        "spans": {name: share(*counts) for name, counts in sorted(shares.items())},
        "spans with a form of their own": share(*structured),
        "spans wholly covered": {name: share(*counts) for name, counts in sorted(covered.items())},
        "spans with a form of their own, wholly covered": share(*structured_covered),
        "texts with any span that is looked for": share(*texts),
        "texts without spans in which something was found": share(*clean),
        "missed spans": dict(missed.most_common()),
    }


def wholly(text: str, span: Any, found: Sequence[Finding]) -> bool:
    """Whether no letter and no digit of the span is outside all findings."""
    return all(
        any(one.start <= at < one.end for one in found) for at in range(span["start"], span["end"]) if at < len(text) and text[at].isalnum()
    )


def questions(detector: Detector, half: str) -> dict[str, Any]:
    """Questions without sensitive data, in which nothing should be found."""
    result = {}
    for name in ("banking77", "clinc150", "hwu64"):
        names: Counter[str] = Counter()
        hits = total = 0
        for row in rows(name, half):
            found = detector.detect((Piece(row["text"]),), KEY).findings
            total += 1
            hits += bool(found)
            names.update({finding.recogniser for finding in found})
        result[name] = {"false positives": share(hits, total), "by": dict(names.most_common())}
    return result


def share(hits: int, of: int) -> dict[str, Any]:
    """A rate with what it is made of."""
    made = Share(hits, of)
    return {"hits": hits, "of": of, "rate": round(made.rate, 4), "interval": made.interval}


def judged(detector: Detects, count: int, seed: int) -> tuple[Confusion, Confusion]:
    """What is found in the seeded samples with a value and in those without."""
    with_data = confusion(detector, chain(sensitive(count, seed), followed(count, seed)))
    return with_data, confusion(detector, benign(count, seed))


def beside(detector: Detects, count: int, seed: int) -> dict[str, Any]:
    """A baseline on the same samples."""
    with_data, without = judged(detector, count, seed)
    return {
        "recall": {name: share(one.hits, one.of) for name, one in with_data.recall.items()},
        "leak free": {name: share(one.hits, one.of) for name, one in with_data.leak_free.items()},
        "unharmed": {name: share(one.hits, one.of) for name, one in with_data.unharmed.items()},
        "false positives": share(without.false_positives.hits, without.false_positives.of),
    }


def made(detector: Detector, count: int, seed: int) -> dict[str, Any]:
    """The seeded samples."""
    with_data, without = judged(detector, count, seed)
    return {
        "recall": {name: share(one.hits, one.of) for name, one in with_data.recall.items()},
        "leak free": {name: share(one.hits, one.of) for name, one in with_data.leak_free.items()},
        "unharmed": {name: share(one.hits, one.of) for name, one in with_data.unharmed.items()},
        "recall by way": {name: share(one.hits, one.of) for name, one in with_data.by_way.items()},
        "recall by type": {name: share(one.hits, one.of) for name, one in with_data.by_type.items()},
        "false positives": share(without.false_positives.hits, without.false_positives.of),
        "false positives by recogniser": dict(without.false_kinds),
        "confusion": {name: dict(counts) for name, counts in with_data.table.items()},
        "misses": {f"{name}, {way}": number for (name, way), number in Counter(with_data.misses).most_common()},
        "found, and left in part": {
            f"{name}, {way}": number for (name, way), number in (Counter(with_data.leaks) - Counter(with_data.misses)).most_common()
        },
        "more gone than the value": {f"{name}, {way}": number for (name, way), number in Counter(with_data.harms).most_common()},
    }


def prose(words: int, seed: int = 1) -> str:
    """Harmless text of so many words."""
    chance = random.Random(seed)
    parts: list[str] = []
    while len(parts) < words:
        parts += next(iter(benign(1, chance.randrange(10**9)))).body["messages"][1]["content"].split()  # type: ignore[index]
    return " ".join(parts[:words])


def cpu_ms(work: Callable[[], object], rounds: int) -> list[float]:
    """CPU time of each round, in milliseconds: other work on the machine is not ours to count."""
    times = []
    work()
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append((time.process_time() - start) * 1e3)
    return times


def speed(detector: Detector) -> dict[str, Any]:
    """Texts of 300 words: plain sentences; the mixture of the harmless samples; the same with seven findings."""
    words = [
        "please",
        "tell",
        "me",
        "how",
        "the",
        "train",
        "from",
        "the",
        "old",
        "station",
        "to",
        "the",
        "harbour",
        "runs",
        "on",
        "sundays",
        "and",
        "whether",
        "a",
        "ticket",
        "can",
        "be",
        "changed",
    ]
    chance = random.Random(3)
    plain = " ".join(chance.choices(words, k=300))
    planted = (
        " 4111 1111 1111 1111, ssn 078-05-1120, bob@example.com, GB82WEST12345698765432, +44 20 7946 0018, 41.173.96.26, tel 905-674-3793"
    )
    result: dict[str, Any] = {}
    for name, texts in {
        "sentences": [plain],
        "sentences with accents": [plain + " naïve café"],
        "the harmless mixture": [prose(300, seed) for seed in range(40)],
        "sentences with seven findings": [plain + planted],
    }.items():
        times = [ms for text in texts for ms in cpu_ms(lambda text=text: detector.detect((Piece(text),), KEY), 200 // len(texts))]  # type: ignore[misc]
        result[name] = {"median_ms": round(statistics.median(times), 3), "p95_ms": round(sorted(times)[int(len(times) * 0.95)], 3)}
    return result


HOSTILE: dict[str, Callable[[int], str]] = {
    "sentences": lambda n: (prose(20_000) * (n // 100_000 + 1))[:n],
    "one digit": lambda n: "4" * n,
    "spaced digits": lambda n: ("4 1 " * n)[:n],
    "numbers like cards": lambda n: ("4111111111111112 " * n)[:n],
    "numbers like phones": lambda n: ("+4412345678 905-674-379 " * n)[:n],
    "numbers like IBANs": lambda n: ("GB82WEST12345698765433 " * n)[:n],
    "at signs": lambda n: ("a@" * n)[:n],
    "addresses": lambda n: ("a.b@c.d-e.f " * n)[:n],
    "nested base64": lambda n: ("QUJDREVGR0hJSktMTU5PUA " * n)[:n],
    "percent": lambda n: ("%2534" * n)[:n],
    "entities": lambda n: ("&#52;&amp;" * n)[:n],
    "backslashes": lambda n: ("\\" * n)[:n],
    "combining marks": lambda n: ("a\u0301\u0323" * n)[:n],
    "ligatures": lambda n: ("\ufdfa" * n)[:n],
    "invisible": lambda n: ("4\u200b" * n)[:n],
    "tags": lambda n: ("".join(chr(0xE0020 + at % 90) for at in range(997)) * (n // 997 + 1))[:n],
    "key heads": lambda n: ("-----BEGIN PRIVATE KEY-----" * n)[:n],
    "assignments": lambda n: ("password: " * n)[:n],
    "tokens": lambda n: ("eyJhbGciOi." * n)[:n],
    "chance": lambda n: "".join(random.Random(5).choices("0123456789 -abcXYZ@._=+/%&;:\\\n", k=n)),
    "chance in Unicode": lambda n: "".join(map(chr, random.Random(6).choices([*range(32, 0x3000), *range(0xFE00, 0xFFFF)], k=n))),
}


def growth(detector: Detector) -> dict[str, Any]:
    """Milliseconds for hostile texts of three lengths; `whole`: whether all of the longest was searched."""
    result = {}
    for name, make in HOSTILE.items():
        line: dict[str, Any] = {}
        for length in (10_000, 100_000, 1_000_000):
            piece = Piece(make(length))
            line[f"{length} ms"] = round(min(cpu_ms(lambda piece=piece: detector.detect((piece,), KEY), 2)), 1)  # type: ignore[misc]
        line["whole"] = detector.detect((piece,), KEY).complete
        result[name] = line
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--half", choices=("development", "report"), default="report")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--skip-growth", action="store_true")
    asked = parser.parse_args()
    start = time.perf_counter()
    detector = Detector()
    result: dict[str, Any] = {
        "made": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": {"python": platform.python_version(), "cores": os.cpu_count()},
        "start_ms": round((time.perf_counter() - start) * 1e3),
        "seed": asked.seed,
        "half": asked.half,
        "seeded": made(detector, COUNT, asked.seed),
        "baselines": {name: beside(baseline, COUNT, asked.seed) for name, baseline in BASELINES.items()},
    }
    if (DATA / "presidio_pii").is_dir():
        result["marked sentences"] = marked(detector, asked.half)
        result["questions"] = questions(detector, asked.half)
    else:
        print(f"no public texts in {DATA}", file=sys.stderr)
    result["speed, 300 words"] = speed(detector)
    if not asked.skip_growth:
        result["growth"] = growth(detector)
    print(json.dumps(result, indent=1, ensure_ascii=False))
    if asked.half == "report" and not asked.skip_growth:
        RESULTS.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
