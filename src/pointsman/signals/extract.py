"""A request's signals, from its fields and its text. Pure: the same request and settings give the same signals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pointsman.core.request import Content, Request
from pointsman.core.signals import Finding, Needs, OutputSource, Prediction, Predictor, Signals, Tokens
from pointsman.signals.canonical import asked
from pointsman.signals.keywords import WordList, found, readable
from pointsman.signals.meaning import Meaning, Meant
from pointsman.signals.sensitivity.texts import pieces
from pointsman.signals.tokens import count_messages

if TYPE_CHECKING:
    from pointsman.signals.sensitivity import detect

_NO_NEEDS = Needs()
_NOTHING: tuple[tuple[Prediction, ...], tuple[str, ...]] = ((), ())
_MOST_OF_EACH = 10  # findings of one recogniser that are kept: they explain the labels, and the record holds them


@dataclass(frozen=True, slots=True)
class Search:
    """Looks for sensitive data. `key` is secret, and the same for all that share a log."""

    detector: detect.Detector
    key: bytes = field(repr=False)

    def __call__(self, content: Content) -> detect.Detected:
        """What the client's body holds. The same body gives the same."""
        return self.detector.detect(tuple(pieces(readable(content))), self.key)


@dataclass(frozen=True, slots=True)
class SignalSettings:
    """What extraction needs to know; made with the snapshot."""

    tokenizers: tuple[str, ...] = ("chars",)  #: those of the pool
    output_tokens: Mapping[str, int] = field(default_factory=dict)  #: expected answer length by task class, as configured
    history: Mapping[str, int] = field(default_factory=dict)  #: the same, as observed
    default_output_tokens: int = 256
    keywords: Mapping[str, WordList] = field(default_factory=dict)
    search: Search | None = None  #: `None`: sensitive data is not looked for
    meaning: Meaning | None = None  #: `None`: what it is about is not guessed
    predictor: Predictor | None = None  #: `None`: nothing was learned


def extract(request: Request, settings: SignalSettings) -> Signals:
    """What there is to know about a request before any model is looked at."""
    content = request.content or Content(())
    said = "" if settings.meaning is None and settings.predictor is None else asked(content).text
    meant = Meant() if settings.meaning is None else settings.meaning(said)
    told = request.task or meant.task
    task = told or "general"
    predicted, neighbours = _NOTHING if settings.predictor is None else settings.predictor(said, told, _definitions(content))
    detected = None if settings.search is None else settings.search(content)
    return Signals(
        task=task,
        task_source="declared" if request.task else meant.task_source,
        tokens=_tokens(request, content, task, settings),
        needs=_needs(request),
        labels=() if detected is None else detected.labels,
        keywords=found(content, settings.keywords),
        findings=() if detected is None else tuple(_few(detected.findings)),
        intent=meant.intent,
        domain=meant.domain,
        difficulty=meant.difficulty,
        predicted=predicted,
        neighbours=neighbours,
    )


def _definitions(content: Content) -> str:
    return "\n".join(f"{tool.name} {tool.schema}" for tool in content.tools)


def _few(findings: Iterable[detect.Finding]) -> Iterable[Finding]:
    """Each once, and of each recogniser some."""
    kept: Counter[str] = Counter()
    for finding in dict.fromkeys(Finding(one.kind, one.recogniser, one.confidence, one.where, one.digest) for one in findings):
        kept[finding.recogniser] += 1
        if kept[finding.recogniser] <= _MOST_OF_EACH:
            yield finding


def _needs(request: Request) -> Needs:
    wanted = request.response_format
    if not request.tools and not request.images and wanted == "text":
        return _NO_NEEDS
    return Needs(
        tools=bool(request.tools),
        json_mode=wanted == "json_object",
        json_schema=wanted == "json_schema",
        vision=request.images > 0,
    )


def _tokens(request: Request, content: Content, task: str, settings: SignalSettings) -> Tokens:
    counts = tuple([count_messages(content.messages, tokenizer, content.tools) for tokenizer in settings.tokenizers])
    stated = settings.output_tokens.get(task)
    expected = settings.default_output_tokens if stated is None else stated
    source: OutputSource = "default" if stated is None else "task"
    # What was observed is better to reckon cost and time with, but a promise of room must hold for the answers longer than most.
    room, limit = expected, request.max_output_tokens
    if (observed := settings.history.get(task)) is not None:
        expected, source, room = observed, "history", max(room, observed)
    if limit is not None:
        room = limit
        if limit <= expected:
            expected, source = limit, "max_tokens"
    return Tokens(counts, expected, room, source)
