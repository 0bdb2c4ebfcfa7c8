"""Names that conditions compare with: one that does not exist is never met, and what the condition protects would be open. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pointsman.config.problem import Path, Problem, did_you_mean, short
from pointsman.config.schema import Config
from pointsman.config.sensitivity import known_labels
from pointsman.core.role import STANDINGS

Problems = Iterator[Problem]

_WORD = r"(?:\"[^\"\\]*\"|'[^'\\]*')"
_WORDS = re.compile(_WORD)
_TOKEN = re.compile(rf"{_WORD}|[()]")


def _field(record: str, name: str) -> str:
    """Both ways to write it: `key.team`, `key["team"]`."""
    return rf"(?<![\w.]){record}\s*(?:\.\s*{name}\b|\[\s*(?:\"{name}\"|'{name}')\s*\])"


_TEAM = re.compile(_field("key", "team") + r"(?!\s*[!=]=\s*(?:\"\"|''))")
_ORG = re.compile(_field("key", "org"))
_TASK = rf"(?:{_field('signals', 'task')}|(?<![\w.])task\b)"
_LABELS = r"(?<![\w.])labels\b"


def named_problems(source: str, config: Config, path: Path, *, labels_only: bool) -> Problems:
    """Word lists, labels, roles, intents and tasks that a condition names and nobody defined; teams without their org."""
    lists = [("word list", _field("signals", "keywords"), set(config.keywords), ": define it under `keywords`")]
    if not labels_only:  # those are looked at more closely
        lists.append(("label", _LABELS, set(known_labels(config)), ": define it under `labels`"))
    for what, place, known, cure in lists:
        yield from _unknown(what, _listed(source, place), known, cure, path)
    yield from _unknown("role", _compared(source, _field("key", "role")), set(STANDINGS), f": there are {', '.join(STANDINGS)}", path)
    yield from _unknown("intent", _compared(source, _field("signals", "intent")), set(config.intents), ": define it under `intents`", path)
    yield from _tasks(source, config, path)
    if _TEAM.search(source) and not _ORG.search(source):
        said = "reads `key.team` without `key.org`: a team of that name in another org counts as well, ask for both"
        yield Problem(path, said, "warning")


def _unknown(what: str, words: set[str], known: set[str], cure: str, path: Path) -> Problems:
    for word in sorted(words - known):
        yield Problem(path, f"unknown {what} `{short(word)}`{did_you_mean(word, known) or cure}")


def _tasks(source: str, config: Config, path: Path) -> Problems:
    """Clients may declare any task, so one that nothing here names may be meant."""
    known = {"general", "tools", *config.tasks, *config.intents}
    known.update(task for model in config.models for task in model.quality)
    known.update(rule.task for rules in (config.rules, *(route.rules for route in config.routes.values())) for rule in rules if rule.task)
    for word in sorted(_compared(source, _TASK) - known):
        hint = did_you_mean(word, known)
        if hint or (path[0] == "policies" and not config.classifiers.task):
            yield Problem(
                path, f"`{short(word)}` is no task that anything here names{hint or ': only a client could declare it'}", "warning"
            )


def _compared(source: str, place: str) -> set[str]:
    """Words that are compared with a place: `place == "x"`, `"x" != place`, `place in ["x", "y"]`. An empty one names nothing."""
    patterns = (
        rf"{place}\s*[!=]=\s*({_WORD})",
        rf"({_WORD})\s*[!=]=\s*{place}",
        rf"{place}\s+in\s+\[([^\[\]]*)\]",
    )
    found = (match[1] for pattern in patterns for match in re.finditer(pattern, source))
    return {word[1:-1] for words in found for word in _WORDS.findall(words)} - {""}


def _listed(source: str, place: str) -> set[str]:
    """Words that are looked for in a list: `"x" in place`, `place.exists(w, w == "x")`, `["x", "y"].exists(w, w in place)`."""
    words = {match[1][1:-1] for match in re.finditer(rf"({_WORD})\s+in\s+{place}", source)}
    for match in re.finditer(rf"\[([^\[\]]*)\]\s*\.\s*\w+\s*\(\s*(\w+)\s*,\s*\2\s+in\s+{place}", source):
        words.update(word[1:-1] for word in _WORDS.findall(match[1]))
    for match in re.finditer(rf"{place}\s*\.\s*\w+\s*\(\s*(\w+)\s*,", source):
        words |= _compared(_until_closed(source[match.end() :]), rf"(?<![\w.]){match[1]}\b")
    return words


def _until_closed(source: str) -> str:
    """What stands before the parenthesis that closes one opened earlier."""
    depth = 1
    for token in _TOKEN.finditer(source):
        depth += {"(": 1, ")": -1}.get(token[0], 0)
        if not depth:
            return source[: token.start()]
    return source
