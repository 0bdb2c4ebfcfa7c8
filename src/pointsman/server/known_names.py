"""Names that rights of keys may use: a slip in one would be a key that opens nothing, or a request that counts as every label."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final, NamedTuple, Protocol

from pointsman.core.labels import KNOWN
from pointsman.core.request import Caller
from pointsman.errors import RequestError

ANYBODY: Final = Caller()


class Naming(Protocol):
    """What holds names: a snapshot."""

    @property
    def routes(self) -> Collection[str]:
        """Ids of routes."""

    @property
    def models(self) -> Collection[str]:
        """Ids of models."""

    @property
    def labels(self) -> Collection[str]:
        """Labels defined beside the built-in ones."""


class KnownNames(NamedTuple):
    """What there is to be named. `None`: whatever is named is let through here."""

    routes: Collection[str] | None  #: with models by their own name
    models: Collection[str] | None
    labels: Collection[str] | None

    @classmethod
    def of(cls, config: Naming, asker: Caller = ANYBODY) -> KnownNames:
        """The names of a configuration that the asker may know. Where he is restricted, his own rights say no, whatever exists."""
        models = [*config.models]
        return cls(
            None if asker.routes is not None else {*config.routes, *models},
            None if asker.models is not None else models,
            None if asker.allowed_labels is not None else {*config.labels, *KNOWN},
        )

    def unknown(self, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Of values for fields of rights those that name nothing: the field, and a sentence with the nearest name.

        >>> list(KnownNames({"auto", "gpt"}, {"gpt"}, None).unknown({"routes": ("atuo", "gpt"), "labels": ["x"], "models": None}))
        [('routes', 'there is no route or model `atuo`: did you mean `auto`?')]
        """
        kinds = {
            "routes": ("route or model", self.routes),
            "models": ("model", self.models),
            "labels": ("label", self.labels),
            "allowed_labels": ("label", self.labels),
        }
        for field, (kind, known) in kinds.items():
            for name in values.get(field) or ():
                if known is not None and name not in known:
                    yield field, f"there is no {kind} `{name[:100]}`{_cure(name, known)}"

    def require(self, values: Mapping[str, Any]) -> None:
        """Raise `RequestError` for the first that names nothing."""
        for field, sentence in self.unknown(values):
            raise RequestError(sentence, param=field)


def _cure(name: str, known: Collection[str]) -> str:
    near = get_close_matches(name[:100], known, 1)
    return f": did you mean `{near[0]}`?" if near else ": put it into the configuration first"
