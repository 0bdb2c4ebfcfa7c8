"""A request's signals, from its fields and its text. Pure: the same request and settings give the same signals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from pointsman.core.request import Content, Request
from pointsman.core.signals import Finding, Needs, OutputSource, Predictor, Signals, Tokens
from pointsman.signals.canonical import asked
from pointsman.signals.keywords import WordList, found, readable
from pointsman.signals.meaning import Meant
from pointsman.signals.sensitivity.texts import UNREAD, Piece, pieces
from pointsman.signals.tokens import count_messages

if TYPE_CHECKING:
    from pointsman.signals.sensitivity import detect

_NO_NEEDS, _NOTHING_MEANT = Needs(), Meant()
Ruled = Callable[[Signals], str]
"""The task class once the rules have spoken, from signals without predictions: rules read none."""

_Plain = tuple[Needs, tuple[str, ...], tuple[str, ...], tuple[Finding, ...]]

_MOST_OF_EACH = 10  # findings of one recogniser that are kept: they explain the labels, and the record holds them


@dataclass(frozen=True, slots=True)
class Search:
    """Looks for sensitive data. `key` is secret, and the same for all that share a log."""

    detector: detect.Detector
    key: bytes = field(repr=False)
    unreadable: Literal["ignore", "unsearched"] = "unsearched"  #: what pictures and other bytes count as

    def __call__(self, content: Content) -> detect.Detected:
        """What the client's body holds. The same body gives the same."""
        return self.among(tuple(pieces(readable(content))))

    def among(self, texts: Sequence[Piece]) -> detect.Detected:
        """What these hold, not wholly searched where one of them cannot be read."""
        found = self.detector.detect(texts, self.key)
        unread = {"tokens"} if self.unreadable == "ignore" else UNREAD
        return replace(found, complete=False) if any(piece.form in unread for piece in texts) else found


@dataclass(frozen=True, slots=True)
class SignalSettings:
    """What extraction needs to know; made with the snapshot."""

    tokenizers: tuple[str, ...] = ("chars",)  #: those of the pool
    output_tokens: Mapping[str, int] = field(default_factory=dict)  #: expected answer length by task class, as configured
    history: Mapping[str, int] = field(default_factory=dict)  #: the same, as observed
    default_output_tokens: int = 256
    keywords: Mapping[str, WordList] = field(default_factory=dict)
    search: Search | None = None  #: `None`: sensitive data is not looked for
    meaning: Callable[[str], Meant] | None = None  #: `None`: what it is about is not guessed
    tool_task: str = ""  #: task class of requests that offer tools, where nothing else tells one
    predictor: Predictor | None = None  #: `None`: nothing was learned
    unread: str = ""  #: why neither is there though something was learned


def extract(request: Request, settings: SignalSettings, ruled: Ruled | None = None, before: Signals | None = None) -> Signals:
    """What there is to know about a request before any model is looked at. `ruled` says which task class predictions are for.

    `before`: what was found without reading it; that is not looked for again.
    """
    content = request.content or Content(())
    said = "" if settings.meaning is None and settings.predictor is None else asked(content).text
    meant = _NOTHING_MEANT if settings.meaning is None else settings.meaning(said)
    told = request.task or meant.task or (settings.tool_task if request.tools else "")
    task = told or "general"
    needs, labels, keywords, findings = _plain(request, content, settings) if before is None else _known(before)
    signals = Signals(
        task=task,
        task_source="declared" if request.task else meant.task_source if meant.task or not told else "tools",
        tokens=_tokens(request, content, task, settings),
        needs=needs,
        labels=labels,
        keywords=keywords,
        findings=findings,
        intent=meant.intent,
        domain=request.domain or meant.domain,
        difficulty=request.difficulty or meant.difficulty,
        unread=settings.unread,
    )
    if settings.predictor is None:
        return signals
    decided = task if ruled is None else ruled(signals)
    predicted, neighbours = settings.predictor(said, told if decided == task else decided, _definitions(content))
    return replace(signals, predicted=predicted, neighbours=neighbours)


def _plain(request: Request, content: Content, settings: SignalSettings) -> _Plain:
    """What does not depend on what it is about: needs, labels, word lists, and what the labels follow from."""
    detected = None if settings.search is None else settings.search(content)
    return (
        _needs(request),
        () if detected is None else detected.labels,
        found(content, settings.keywords),
        () if detected is None else tuple(_few(detected.findings)),
    )


def _known(before: Signals) -> _Plain:
    return before.needs, before.labels, before.keywords, before.findings


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
        parallel_tools=bool(request.tools) and _chat(request).get("parallel_tool_calls") is True,
        strict_tools=bool(request.tools) and _strict(_chat(request).get("tools")),
    )


def _chat(request: Request) -> Mapping[str, object]:
    return {} if request.content is None else request.content.chat


def _strict(tools: object) -> bool:
    """Whether a tool is offered whose calls are to keep to its schema."""
    offered = (tool.get("function") for tool in tools if isinstance(tool, dict)) if isinstance(tools, list) else ()
    return any(isinstance(function, dict) and function.get("strict") is True for function in offered)


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
