"""`pointsman eval labels`: how well sensitive data is found, on made-up requests and on marked texts."""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any

from pointsman.cli.table import table

if TYPE_CHECKING:
    from pointsman.evals.marked_texts import Found
    from pointsman.signals.sensitivity.detect import Detector
    from pointsman.signals.sensitivity.measure import Confusion, Share

_SEED = 50_021  # not one on which the recognisers were written
_MOST_NAMES = 4
_FIGURES = frozenset({1, 2, 3})


def run(given: argparse.Namespace) -> int:
    """Print the tables."""
    from pointsman.evals.marked_texts import found_in, read_marked
    from pointsman.signals.sensitivity.measure import confusion
    from pointsman.testing.sensitive_followed import followed
    from pointsman.testing.sensitive_texts import benign, sensitive

    detector, count = _detector(given), given.samples
    with_data = confusion(detector, chain(sensitive(count, _SEED), followed(count, _SEED)))
    without = confusion(detector, benign(count, _SEED))
    print(f"{count:,} made-up requests with one value each, {count:,} with words after it, and {count:,} without (seed {_SEED})\n")
    print(table(list(_made(with_data, without)), right=_FIGURES))
    print("\n" + table(list(_masked(with_data)), right=_FIGURES))
    print("\n" + table(list(_confusion(with_data.table)), right=frozenset({1})) + "\n")
    missed = Counter(with_data.misses)
    partly = Counter(with_data.leaks) - missed
    for said, which in (("missed", missed), ("found, and left in part", partly), ("more gone than the value", Counter(with_data.harms))):
        print(f"{said}: {'; '.join(f'{name}, {way} ({number})' for (name, way), number in which.most_common()) or 'none'}")
    print(f"found without cause: {'; '.join(f'{what} ({count})' for what, count in without.false_kinds.items()) or 'nothing'}")
    marked = None
    if given.texts is not None:
        marked = found_in(detector, read_marked(given.texts, tuple(given.splits.split(",")) if given.splits else ()))
        print(f"\n{given.texts}: marked spans of which a finding covers some part\n")
        print(table(list(_marked(marked)), right=_FIGURES))
    if given.json:
        given.json.write_text(json.dumps(_document(with_data, without, marked), indent=1) + "\n", encoding="utf-8")
    return 0


def _detector(given: argparse.Namespace) -> Detector:
    from pointsman.signals.sensitivity.detect import Detector

    if given.config is None:
        return Detector()
    from pointsman.build.sensitivity import settings_of
    from pointsman.config.load import load_file

    return Detector(settings_of(load_file(given.config, os.environ)))


def _made(with_data: Confusion, without: Confusion) -> Iterator[tuple[str, ...]]:
    yield "requests", "found", "of", "share", "95 % interval"
    for name, share in with_data.recall.items():
        yield name, *_figures(share)
    yield "false positives", *_figures(without.false_positives)


def _masked(with_data: Confusion) -> Iterator[tuple[str, ...]]:
    yield "once masked, or not sent", "nothing of it left", "of", "share", "95 % interval"
    for name, share in with_data.leak_free.items():
        yield name, *_figures(share)
    yield "once masked", "all else left", "of", "share", "95 % interval"
    for name, share in with_data.unharmed.items():
        yield name, *_figures(share)


def _confusion(counts: Mapping[str, Mapping[str, int]]) -> Iterator[tuple[str, ...]]:
    yield "what it is", "found by", ""
    for name, by in counts.items():
        for at, (recogniser, count) in enumerate(by.items()):
            yield name if at == 0 else "", f"{count:,}", recogniser


def _marked(marked: Found) -> Iterator[tuple[str, ...]]:
    yield "spans", "found", "of", "share", "95 % interval", "by"
    for name, share in marked.spans.items():
        by = list(marked.table[name].items())
        more = ", …" if len(by) > _MOST_NAMES else ""
        yield name, *_figures(share), ", ".join(f"{recogniser} {count}" for recogniser, count in by[:_MOST_NAMES]) + more
    yield "texts without spans", *_figures(marked.clean), ""


def _figures(share: Share) -> tuple[str, str, str, str]:
    low, high = share.interval
    return f"{share.hits:,}", f"{share.of:,}", f"{share.rate:.4f}", f"{low:.3f} – {high:.3f}"


def _document(with_data: Confusion, without: Confusion, marked: Found | None) -> dict[str, Any]:
    def shares(found: Mapping[str, Share]) -> dict[str, Any]:
        return {name: {"hits": share.hits, "of": share.of, "rate": share.rate, "interval": share.interval} for name, share in found.items()}

    return {
        "seed": _SEED,
        "recall": shares(with_data.recall),
        "leak free": shares(with_data.leak_free),
        "unharmed": shares(with_data.unharmed),
        "recall by way": shares(with_data.by_way),
        "recall by type": shares(with_data.by_type),
        "false positives": shares({"benign": without.false_positives})["benign"],
        "confusion": with_data.table,
        "marked": None
        if marked is None
        else {"spans": shares(marked.spans), "clean": shares({"texts": marked.clean}), "confusion": marked.table},
    }
