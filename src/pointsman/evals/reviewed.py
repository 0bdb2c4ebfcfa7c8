"""What people made of answers, as qualities to learn from."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

from pointsman.stores.log import LogRecord

EDITED: Final = 0.5
"""What an answer is worth that a person released, but changed."""


def qualities(records: Iterable[LogRecord]) -> dict[tuple[str, str], float]:
    """Decision and model -> quality, from records of kind `review`, in whatever order.

    An answer approved as it is counts 1, one that was edited `EDITED`, one rejected 0; where a person answered in their own words, every
    answer that they were shown counts 0. What expired says nothing.
    """
    offered: dict[str, list[str]] = {}
    ended: list[tuple[str, dict[str, Any]]] = []
    for record in records:
        told = json.loads(record.body)
        if told.get("event") == "opened":
            offered[told["id"]] = [one["model"] for one in told["offered"]]
        elif told.get("state") in ("approved", "rejected", "answered"):
            ended.append((record.decision, told))
    found: dict[tuple[str, str], float] = {}
    for decision, told in ended:
        if told["state"] == "answered":
            found |= {(decision, model): 0.0 for model in offered.get(told["id"], ())}
        elif told["model"]:
            found[decision, told["model"]] = 0.0 if told["state"] == "rejected" else EDITED if told["edited"] else 1.0
    return found
