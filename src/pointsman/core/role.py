"""Roles of keys: what each may do, and which it may hand on.

`admin` manages keys, teams and orgs; `operator` makes, renews and revokes callers' keys; `auditor` reads; `reviewer` answers reviews;
`caller` calls models. A key has one role: who manages keys calls no models with the same key. `root` is whoever runs the gateway, by the
key of its environment or with its files in hand: no stored key has that role.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, get_args

from pointsman.errors import Forbidden

Role = Literal["admin", "operator", "auditor", "reviewer", "caller"]
"""What a stored key may be."""

Standing = Literal["root", "admin", "operator", "auditor", "reviewer", "caller"]
"""What whoever asks may be."""

ROLES: Final[tuple[Role, ...]] = get_args(Role)
STANDINGS: Final[tuple[Standing, ...]] = get_args(Standing)

CALLS_MODELS: Final[frozenset[str]] = frozenset({"root", "caller"})
"""Who may ask a model, or how it would be asked."""

READS_DECISIONS: Final[frozenset[str]] = frozenset({"root", "admin", "auditor"})
"""Who sees the decisions of every key within his place; all others see those of their own key."""

GRANTS: Final[Mapping[str, frozenset[str]]] = {"root": frozenset(ROLES), "admin": frozenset(ROLES), "operator": frozenset({"caller"})}
"""Which roles the keys may have that each makes, changes, renews or revokes."""


def require_models(key: str, role: str) -> None:
    """Raise `Forbidden` for a role that calls no models.

    >>> require_models("abc", "auditor")
    Traceback (most recent call last):
    pointsman.errors.Forbidden: key `abc` has the role `auditor`, which calls no models: use a key with the role `caller`
    """
    if role not in CALLS_MODELS:
        raise Forbidden(f"key `{key}` has the role `{role}`, which calls no models: use a key with the role `caller`")
