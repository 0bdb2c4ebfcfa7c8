"""Data labels. They only ever get stricter.

Levels are ordered, `public < internal < confidential < restricted`; a level implies all below it, so a policy about `confidential`
also holds for `restricted`. Kinds (`pii`, `phi`, ...) stand beside the levels. A label nobody defined counts as every
label there is, so that a slip makes a request stricter, whatever it was meant to say.

Closed sets of labels are a lattice: ordered by inclusion, `join` is their least upper bound, and no label takes another away.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

LEVELS = ("public", "internal", "confidential", "restricted")
KINDS = ("credential", "financial", "phi", "pii", "secret")
KNOWN = frozenset(LEVELS + KINDS)
UNSEARCHED = "unsearched"
"""Label of a text that was not wholly searched. It is none of the known ones, so it counts as all of them."""

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


def join(*sets: Iterable[str], known: frozenset[str] = KNOWN) -> tuple[str, ...]:
    """The least strict labels that are as strict as each of the sets: of key, route, step, what was declared and what was detected.

    >>> join(["internal"], ["pii"], [], ["confidential"])
    ('confidential', 'internal', 'pii', 'public')
    """
    return close(chain.from_iterable(sets), known)


def covers(stricter: Iterable[str], labels: Iterable[str], known: frozenset[str] = KNOWN) -> bool:
    """Whether whoever may see data of `stricter` may see data of `labels`.

    >>> covers(["restricted"], ["internal"]), covers(["restricted"], ["pii"])
    (True, False)
    """
    return set(close(stricter, known)) >= set(close(labels, known))


def level(labels: Iterable[str], known: frozenset[str] = KNOWN) -> str:
    """The highest level that holds; `public` when none does.

    >>> level(["pii", "internal"]), level(["typo"])
    ('internal', 'restricted')
    """
    closed = close(labels, known)
    return next((name for name in reversed(LEVELS) if name in closed), LEVELS[0])
