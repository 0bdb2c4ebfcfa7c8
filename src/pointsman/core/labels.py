"""Data labels. They only ever get stricter.

Levels are ordered, `public < internal < confidential < restricted`; a level implies all below it, so a policy about `confidential`
also holds for `restricted`. Kinds (`pii`, `phi`, ...) stand beside the levels. A label nobody defined counts as every
label there is, so that a slip makes a request stricter, whatever it was meant to say.
"""

from __future__ import annotations

from collections.abc import Iterable

LEVELS = ("public", "internal", "confidential", "restricted")
KINDS = ("credential", "financial", "phi", "pii", "secret")
KNOWN = frozenset(LEVELS + KINDS)

_IMPLIED = {level: LEVELS[: at + 1] for at, level in enumerate(LEVELS)}


def close(labels: Iterable[str], known: frozenset[str] = KNOWN) -> tuple[str, ...]:
    """All labels that hold when `labels` hold, sorted.

    >>> close(["confidential", "pii"])
    ('confidential', 'internal', 'pii', 'public')
    >>> set(close(["PHI"])) > KNOWN
    True
    """
    closed: set[str] = set()
    for label in labels:
        closed.add(label)
        closed.update(_IMPLIED.get(label, ()))
        if label not in known:
            closed.update(known)
    return tuple(sorted(closed))
