"""What a request is about: its intent, task, domain and difficulty, from one reading of what its user asks."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from pointsman.catalogue.embedder import Embedder
    from pointsman.signals.classifier import Classifier
    from pointsman.signals.intents import Intents
    from pointsman.signals.reading import Columns

TaskSource = Literal["intent", "classifier", "default"]


class Meant(NamedTuple):
    """What a text is about; empty where nothing tells, or what tells is not sure."""

    task: str = ""
    task_source: TaskSource = "default"
    intent: str = ""
    domain: str = ""
    difficulty: str = ""


@dataclass(frozen=True, eq=False)  # without slots: `_columns` is worked out once
class Meaning:
    """Intents and classifiers that share one reading of the text."""

    embedder: Embedder
    intents: Intents | None = None
    task: Classifier | None = None
    domain: Classifier | None = None
    difficulty: Classifier | None = None
    tasks: Set[str] = frozenset()  #: task classes that are known: an intent of such a name is one

    def __call__(self, text: str, embedder: Embedder | None = None) -> Meant:
        """What the text is about. An intent that names a task class goes before the classifier of tasks.

        `embedder`: one that gives the same vectors, in place of its own.
        """
        from pointsman.signals.reading import read  # not needed where nothing was learned

        reading = read(text, self.embedder if embedder is None else embedder)
        linear = iter(self._columns.judge(reading))
        intent, task, domain, difficulty = ["" if one is None else one.label(reading, next(linear)) or "" for one in self._guessers]
        if intent in self.tasks:
            return Meant(intent, "intent", intent, domain, difficulty)
        return Meant(task, "classifier" if task else "default", intent, domain, difficulty)

    @property
    def _guessers(self) -> tuple[Intents | Classifier | None, ...]:
        return self.intents, self.task, self.domain, self.difficulty

    @cached_property
    def _columns(self) -> Columns:
        from pointsman.signals.reading import Columns

        return Columns.beside([guesser.linear for guesser in self._guessers if guesser is not None])
