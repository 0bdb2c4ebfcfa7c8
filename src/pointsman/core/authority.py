"""Authority: what whoever manages keys may do to which of them. Pure; every refusal is an error that says why.

Three rules. Nobody reaches beyond his scope: what lies outside is answered as if it were not there. Nobody hands on a role that his own
does not grant. Nobody hands on more than he has: rights and lifetime of a key that he makes, changes or renews lie within those of his own.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pointsman.core.role import GRANTS, Standing
from pointsman.core.tenancy import EVERYWHERE, Rights, Scope, excess
from pointsman.errors import Forbidden, NotFound, RequestError


@dataclass(frozen=True, slots=True)
class Authority:
    """Who manages: a key of the role, or `root`."""

    key: str
    role: Standing
    scope: Scope = EVERYWHERE
    rights: Rights = field(default_factory=Rights)
    expires_at_ns: int | None = None

    def require_sight(self, place: Scope, kind: str, id: str) -> None:
        """Raise `NotFound` for what lies outside, as for what does not exist."""
        if not self.scope.covers(place):
            raise NotFound(f"there is no {kind} `{id[:100]}`")

    def require_above(self, place: Scope, kind: str, id: str) -> None:
        """A team or an org is managed from above: its own admin could else lift the limits that are set for it."""
        self.require_sight(place, kind, id)
        if self.scope == place:
            raise Forbidden(f"key `{self.key}` belongs to {self.scope}, which is managed from above")

    def require_place(self, place: Scope) -> None:
        """Raise an error where a key of that place is not this one's to make."""
        if self.scope.covers(place):
            return
        if place.covers(self.scope):
            raise Forbidden(f"key `{self.key}` of {self.scope} cannot make keys of {place}", param="team" if place.org else "org")
        raise no_such_place(place if place.org == self.scope.org else Scope(place.org))

    def require_role(self, role: str) -> None:
        """Raise `Forbidden` for a role that this one does not grant."""
        if role not in GRANTS.get(self.role, ()):
            raise Forbidden(f"key `{self.key}` has the role `{self.role}`, which does not manage keys with the role `{role}`", param="role")

    def require_within(self, rights: Rights, expires_at_ns: int | None = None, *, lifetime: bool = True) -> None:
        """Raise `Forbidden` for more than this one has."""
        if (beyond := excess(rights, self.rights)) is not None:
            raise Forbidden(f"`{beyond}` would be more than key `{self.key}` has itself", param=beyond)
        if lifetime and self.expires_at_ns is not None and (expires_at_ns is None or expires_at_ns > self.expires_at_ns):
            raise Forbidden(f"`expires_at` would be later than that of key `{self.key}` itself", param="expires_at")


def no_such_place(place: Scope) -> RequestError:
    """The error for a place that does not exist, is closed, or is none of the asker's business."""
    return RequestError(f"there is no open {place}: make it first", param="team" if place.team else "org")
