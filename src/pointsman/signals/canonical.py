"""What a user asks, as routing reads it: without a harness's boilerplate, pasted data cut short, the last turns and not only the last.

Nothing is hidden from policy by this: labels and word lists look at every word that a model will read. Only features are made from it,
so that `Hello` and `  HELLO!!!` are routed alike, and a wall of text around a question does not decide in its place.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pointsman.core.request import Content, Message, Text
from pointsman.native import core
from pointsman.signals.wordpiece import Characters, spelt, words

MOST_TURNS = 3  #: user turns that are looked at, counted from the last
NEWEST_CHARS, EARLIER_CHARS = 768, 400  #: of the last turn, and of each one before it, as far as the last one leaves room
_READ_CHARS = 24_000  # of a turn that are looked at at all
_LEAST_CHARS = 40  # that are worth adding
_DATA_CHARS = 4 * NEWEST_CHARS  # of those, without a harness's blocks, in which pasted data is looked for

# Blocks that agents' harnesses put into a user's turn.
_HARNESS = frozenset(
    {
        *("additional_data", "attached_files", "attachment", "attachments", "bash-input", "bash-stderr", "bash-stdout", "command-message"),
        *("command-name", "context", "document", "documents", "editorcontext", "environment_context", "environment_details"),
        *("file_content", "file_contents", "files", "function_calls", "function_results", "git_status", "ide_diagnostics"),
        *("ide_opened_file", "ide_selection", "instructions", "local-command-caveat", "local-command-stderr", "local-command-stdout"),
        *("open_and_recently_viewed_files", "project_layout", "reminder", "reminderinstructions", "rules", "search_results", "system"),
        *("system-reminder", "system_reminder", "tool_output", "tool_result", "tool_results", "tool_use", "user_info", "user_rules"),
        *("workspace_info", "workspace_result"),
    }
)
_QUESTION = ("user_query", "user_request", "userRequest", "user_message", "question", "query", "task", "prompt")  # blocks that hold it
_MARKED = re.compile(f"<({'|'.join(_QUESTION)})>")
_TAG = re.compile(r"<(/?)([A-Za-z][\w.-]{0,40})(?:\s[^<>]{0,200})?>")

_LONG_LINE, _LONG_LINE_HEAD = 600, 120
_DATA_HEAD, _DATA_TAIL = 8, 3  # lines of pasted data that are kept from its beginning and its end
_UNBROKEN_CHARS, _UNBROKEN_HEAD = 120, 24  # of keys, hashes, encoded files
_UNBROKEN = re.compile(rf"\S{{{_UNBROKEN_CHARS},}}")
_WORDS = bytes(code for code in range(256) if code >= 0x80 or chr(code).isalpha() or chr(code) == " ")
_GAP = " ... "

_SAME_MARKS = re.compile(r"([^\w\s])\1{2,}")
_BEYOND_ASCII, _SAME_BEYOND = re.compile(r"[^\x00-\x7f]+"), re.compile(r"([^\w\s\x00-\x7f])\1{2,}")
_RUNS = {
    ord(mark): (re.compile(rf"\{mark}\{mark}\{mark}+"), mark.replace("\\", r"\\"))
    for mark in map(chr, range(128))
    if re.match(r"[^\w\s]", mark)
}
_NO_MARKS = bytes(set(range(128)).difference(_RUNS))
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Mn"})  # categories: control, format, half of a pair, accent


@dataclass(frozen=True, slots=True)
class Asked:
    """What a user asks."""

    text: str  #: the turns in their order, the last one last
    turns: int = 1  #: how many it was taken from
    left_out: int = 0  #: characters of those turns that it does not hold


def asked(content: Content) -> Asked:
    """What a conversation's user asks; where no turn is a user's, what its last turn says.

    >>> asked(Content((Message("user", (Text("<system-reminder>Use tools.</system-reminder>Why is the sky blue?"),)),))).text
    'Why is the sky blue?'
    """
    found: list[str] = []
    room, left_out = NEWEST_CHARS, 0
    for message in _latest_first(content.messages):
        whole = _text(message)
        text = ends(said(ends(whole, _READ_CHARS)), min(room, EARLIER_CHARS) if found else room)
        if not text:
            continue
        found.append(text)
        left_out += len(whole) - len(text)
        room -= len(text) + 1
        if len(found) == MOST_TURNS or room < _LEAST_CHARS:
            break
    return Asked("\n".join(reversed(found)), len(found), max(0, left_out))


def said(text: str) -> str:
    """A turn without a harness's blocks and with pasted data cut short; as it is where nothing else would be left."""
    return _short_data(_question(_without_blocks(text))) or _short_data(text)


def folded(text: str) -> str:
    """Text as features see it: no case, no accents, compatibility forms folded, nothing invisible, runs of spaces and of marks as one.

    >>> folded("  WHY\\u200b is_the   Çky ｂｌｕｅ?!?!???")
    'why is the cky blue?!?!?'
    """
    return " ".join(levelled(text).split())


def levelled(text: str) -> str:
    """As `folded`, but spaces, whatever their kind, are as many as they were: for what looks at words alone."""
    text = text.translate(_folding)
    if not text.isascii():
        return _SAME_MARKS.sub(r"\1", text)
    for mark in set(text.encode().translate(None, _NO_MARKS)):  # to look for each of the few that there are is quicker
        if chr(mark) * 3 in text:
            run, once = _RUNS[mark]
            text = run.sub(once, text)
    return text


def words_of(text: str) -> list[str]:
    """The `words` of a text that is `levelled` first.

    >>> words_of("So_WHAT?!?!???")
    ['so', 'what', '?', '!', '?', '!', '?']
    """
    plain = text.isascii()
    if core is None or (not plain and _LATE.search(text)):
        return words(levelled(text))
    if not plain:
        text = _BEYOND_ASCII.sub(_levelled_beyond, text.translate(_NO_CONTROLS)).lower()
    return core.words(text.encode(), _KINDS)


def _levelled_beyond(run: re.Match[str]) -> str:
    """What is beyond ASCII, levelled and spelt; what of it becomes ASCII is left to the compiled core."""
    text = run[0].translate(_folding)
    return text if text.isascii() else spelt(_SAME_BEYOND.sub(r"\1", text))


def ends(text: str, most_chars: int) -> str:
    """The text, or where it is longer two thirds of what there is room for from its beginning and a third from its end.

    >>> ends("abcdefghij", 8)
    'ab ... j'
    """
    if len(text) <= most_chars:
        return text
    room = most_chars - len(_GAP)
    tail = room // 3
    return f"{text[: room - tail]}{_GAP}{text[len(text) - tail :]}"


def _latest_first(messages: Sequence[Message]) -> Iterable[Message]:
    users = [message for message in messages if message.role == "user"]
    return reversed(users) if any(_text(message).strip() for message in users) else messages[-1:]


def _text(message: Message) -> str:
    return "\n".join(part.text for part in message.parts if isinstance(part, Text))


def _without_blocks(text: str) -> str:
    """A block that is not closed is text: an opening tag must not hide what follows."""
    kept: list[str] = []
    at = since = depth = 0
    opened = ""
    for tag in _TAG.finditer(text):
        closing, name = tag[1], tag[2].lower()
        if not opened:
            if not closing and name in _HARNESS:
                opened, since, depth = name, tag.start(), 1
        elif name == opened:
            depth += -1 if closing else 1
            if not depth:
                kept.append(text[at:since])
                at, opened = tag.end(), ""
    return "".join([*kept, text[at:]]) if kept else text


def _question(text: str) -> str:
    """What stands in a block that is marked as the question, the last one if there are several; else the text."""
    last = {mark[1]: mark.end() for mark in _MARKED.finditer(text)}
    for name in sorted(last, key=_QUESTION.index):
        inside = text[last[name] :].partition(f"</{name}>")[0]
        if inside.strip():
            return inside
    return text


def _short_data(text: str) -> str:
    text = ends(text, _DATA_CHARS)
    if _may_be_unbroken(text):
        text = _UNBROKEN.sub(lambda run: run[0][:_UNBROKEN_HEAD] + _GAP, text)
    lines = text.splitlines()
    data, fences = _are_data(lines), "```" in text or "~~~" in text
    return "\n".join(_short_runs(lines, data, fences=fences) if fences or any(data) else lines).strip()


def _may_be_unbroken(text: str) -> bool:
    """Quick, and never wrong when it says no."""
    at = 0
    while at + _UNBROKEN_CHARS <= len(text):
        space = text.rfind(" ", at, at + _UNBROKEN_CHARS)
        if space < 0 and (space := text.rfind("\n", at, at + _UNBROKEN_CHARS)) < 0:
            return True
        at = space + 1
    return False


def _short_runs(lines: Sequence[str], are_data: Sequence[bool], *, fences: bool) -> Iterator[str]:
    """Of lines of data that follow each other, the first and the last few; of a long line of data, its beginning."""
    run: list[str] = []
    fenced = False
    for line, data in zip(lines, are_data, strict=True):
        fence = fences and line.lstrip().startswith(("```", "~~~"))
        if fence:
            fenced = not fenced
        if fenced or fence or data:
            run.append(line)
            continue
        if run:
            yield from _shortened(run)
            run = []
        yield line
    yield from _shortened(run)


def _shortened(run: list[str]) -> Iterator[str]:
    if len(run) > _DATA_HEAD + _DATA_TAIL:
        run = [*run[:_DATA_HEAD], _GAP, *run[-_DATA_TAIL:]]
    for line in run:
        yield line if len(line) <= _LONG_LINE else line[:_LONG_LINE_HEAD] + _GAP


def _are_data(lines: Sequence[str]) -> list[bool]:
    """Which lines look like part of a table, a log, JSON or code: a quarter of them is neither letter nor space."""
    seen = "\n".join([line[:_LONG_LINE] for line in lines]).encode("utf-8", "replace")
    sizes, marks = (map(len, some.split(b"\n")) for some in (seen, seen.translate(None, _WORDS)))
    return [size > 1 and 4 * others > size for size, others in zip(sizes, marks, strict=True)]


def _fold(character: str) -> str:
    if character.isspace():
        return " "
    parts = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())
    return "".join(part for part in parts if unicodedata.category(part) not in _UNSEEN).replace("_", " ")


_folding = Characters(_fold)

# The same for the compiled core, which reads bytes of ASCII as nothing, a space, of a word, or a mark, and all else as of a word.
_KINDS = bytes({"": 0, " ": 1}.get(one := _fold(chr(code)), 2 if one.isalnum() else 3) if code < 128 else 2 for code in range(256))
_LATE = re.compile("[\ufffd\ue000-\uf8ff\U000f0000-\U0010ffff]")  # left out only after marks were counted: private, and unknown
_NO_CONTROLS = {code: None for code, kind in enumerate(_KINDS) if not kind}
