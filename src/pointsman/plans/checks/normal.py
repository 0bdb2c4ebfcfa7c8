"""What an answer comes to in the end, written so that two answers that say the same are equal."""

from __future__ import annotations

import ast
import json
import re
from fractions import Fraction
from typing import Any

from pointsman.core.answer import Answer
from pointsman.core.request import ToolCall
from pointsman.plans.checks.reading import as_json, json_in, read, split

_KEYS = ("final_answer", "final answer", "answer", "result", "solution", "output")
_SAID = re.compile(
    r"(?:\b(?:answer|result|antwort|réponse|respuesta|risposta|resposta)\b['\"*_]{0,3}(?:[ \t]{1,3}(?:is|ist|est|es|è|é)\b|[ \t]{0,3}[:=])"
    r"|^[ \t]{0,4}####|答案(?:是|为|:|:))[\s*_:]{0,5}(?=[^\s*_:])",
    re.IGNORECASE | re.MULTILINE,
)
_NEXT = re.compile(r"\n[ \t]{0,4}(?:Question|Q|User|Human)[ \t]{0,2}:")  # a model that goes on with a question of its own
_OPTION = re.compile(r"[*_`\"' \t]{0,6}(?:(?i:option|choice) )?(?:\(([A-Ja-j])\)|\[([A-J])\]|([A-J])(?=[).:,;*_`\"']|$))")
_LETTER_ALONE = re.compile(r"(?:(?:option|choice) )?[(\[]?([A-Ja-j])[)\].:]?", re.IGNORECASE)
_MARKED = re.compile(r"(?:\*\*|\()\(?([A-J])[).:]?(?:\*\*|\))")
_NUMBER = re.compile(r"(?<![\w.])[-+−]?[$€£¥]?[-+−]?(?:\d{1,3}(?:,\d{3}){1,8}(?!\d)|\d{1,30})(?:\.\d{1,30})?(?:/\d{1,15}(?![\d.]))?")
_FRACTION = re.compile(r"\\[dt]?frac\{([-\d.,]{1,30})\}\{([-\d.,]{1,30})\}|\\[dt]?frac(\d)(\d)")
_TEX = re.compile(r"\\(?:left|right|displaystyle|[,!;: ])|\^\{?\\circ\}?|\\(?:text|mathrm|textbf|mathbf)(?=\{)|\$")
_YES = {"yes": "yes", "true": "yes", "ja": "yes", "oui": "yes", "sí": "yes", "sì": "yes", "sim": "yes", "是": "yes"}
_NO = {"no": "no", "false": "no", "nein": "no", "non": "no", "não": "no", "否": "no", "nope": "no", "nee": "no"}
_EDGES = " \t\r\n*_`'\".,;:!。$"
_LONGEST = 300  # characters of a final answer
_LONGEST_PROSE = 6_000  # of a text whose last number counts as what it comes to


def comes_to(answer: Answer) -> str:
    """The same as `final`, but empty for programs: those that do the same are written in many ways."""
    return "" if "```" in answer.text and "def " in answer.text else final(answer)


def final(answer: Answer) -> str:
    """What an answer comes to; the empty text where that cannot be said.

    >>> final(Answer("So he has 3 + 4 = **7** apples.")) == final(Answer("The answer is 7.0"))
    True
    """
    if answer.tool_calls:
        return "\n".join(sorted(_call(call) for call in answer.tool_calls))
    return normalised(answer.text)


def normalised(text: str) -> str:
    r"""What a text comes to: JSON or its `answer`, the last box, what follows the last "answer is", an option, yes or no, the last number.

    A short text comes to itself, without case and marks. The empty text: nothing that could be compared.

    >>> normalised('{"b": 1.0, "a": [2]}'), normalised("so \\boxed{\\frac{1}{2}}"), normalised("The answer is (C).")
    ('{"a":[2],"b":1}', '1/2', 'c')
    """
    text = text.strip()
    if not text:
        return ""
    if (found := json_in(text)) is not None and isinstance(found.value, dict | list) and (whole := _of_json(found.value, found.whole)):
        return whole
    prose = _NEXT.split(read(text), maxsplit=1)[0]
    if boxed := _boxed(prose):
        return _short(boxed)
    said = list(_SAID.finditer(prose))
    if said:
        return _after(prose[said[-1].end() :])
    return _short(prose) if len(prose) <= _LONGEST and "\n" not in prose else _ending(prose)


def _call(call: ToolCall) -> str:
    found = as_json(call.arguments or "{}")
    said = call.arguments.strip() if found is None else _canonical(found.value)
    return f"{call.name}({said.casefold()})"


def _of_json(value: Any, whole: bool) -> str:
    """The answer that an object holds; else all of it, where it is the whole text."""
    if isinstance(value, dict):
        named = {str(key).lower(): each for key, each in value.items()}
        for key in _KEYS:
            if (each := named.get(key)) not in (None, "", [], {}):
                return _short(each) if isinstance(each, str) else _canonical(each)
    return _canonical(value) if whole else ""


def _canonical(value: Any) -> str:
    try:
        if isinstance(value, bool) or value is None or isinstance(value, str | int | float):
            return _short(json.dumps(value) if not isinstance(value, str) else value)
        return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    except (ValueError, TypeError, RecursionError):
        return ""


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _boxed(text: str) -> str:
    r"""What stands in the last `\boxed{...}`."""
    at = max(text.rfind("\\boxed{"), text.rfind("\\fbox{"))
    if at < 0:
        return ""
    start = text.index("{", at) + 1
    depth = 1
    for place in range(start, min(len(text), start + _LONGEST)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return text[start:place]
    return ""


def _after(rest: str) -> str:
    """What "the answer is" is followed by, up to the end of its line."""
    line = rest.lstrip(" \t*_:\n")[: _LONGEST * 2].split("\n", 1)[0]
    if option := _OPTION.match(line):
        return (option[1] or option[2] or option[3]).lower()
    return _short(line)


def _short(text: str) -> str:
    """A short text: an option, a number, yes or no, a literal, or the words themselves."""
    text = text.strip()[: _LONGEST * 4]
    bare = _tidy(text)
    if letter := _LETTER_ALONE.fullmatch(bare):
        return letter[1].lower()
    if number := _number(bare):
        return number
    word = bare.lower()
    first = word.split(",")[0].split(".")[0].split(" ")[0]
    if (spoken := _YES.get(word) or _NO.get(word)) or ("," in word[:6] and (spoken := _YES.get(first) or _NO.get(first))):
        return spoken
    if (option := _OPTION.match(text)) and (option[1] or option[2] or text[option.end() : option.end() + 1] in (")", ".", ":")):
        return (option[1] or option[2] or option[3]).lower()
    if literal := _literal(text.strip(" `")):
        return literal
    if "=" in bare and (number := _number(_tidy(bare.rsplit("=", 1)[1]))):
        return number
    if marked := _MARKED.findall(text):
        return str(marked[-1]).lower()
    numbers = _NUMBER.findall(bare)
    if len(numbers) == 1 and len(bare.split()) <= 6 and not re.search(r"[=^\\{}()a-z]\d|\d[a-z(\\^{]", word):
        return _number(numbers[0])  # `5 hours`, `about $20`
    if len(numbers) >= 1 and len(bare.split()) > 6:
        return _ending(text)
    return _words(word)


def _words(text: str) -> str:
    formula = any(sign in text for sign in "\\=^")
    return ("" if formula else " ").join(text.lower().split())[:_LONGEST]


def _ending(text: str) -> str:
    """What a longer text comes to: a marked option or the last number of its last sentence."""
    if len(text) > _LONGEST_PROSE:
        return ""
    prose = split(text)[0].strip()
    last = re.split(r"\n|(?<=[.!?])\s+(?=[A-Z])", prose[-600:].strip())[-1]
    if marked := _MARKED.findall(last):
        return str(marked[-1]).lower()
    numbers = [found for found in _NUMBER.findall(_tidy(last)) if _number(found)]
    if "=" in last:
        numbers = [found for found in _NUMBER.findall(_tidy(last.rsplit("=", 1)[1])) if _number(found)][:1] or numbers
    return _number(numbers[-1]) if numbers else ""


def _tidy(text: str) -> str:
    text = _FRACTION.sub(lambda found: f"{found[1] or found[3]}/{found[2] or found[4]}", text)
    text = _TEX.sub("", text).replace("\\%", "%")
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1]
    return text.strip(_EDGES).removesuffix("%")


def _number(text: str) -> str:
    """A number in its one form: `1,000.50` is `2001/2`; the empty text where it is none."""
    bare = text.replace(",", "").replace("−", "-")
    bare = re.sub(r"[$€£¥+\s]", "", bare)
    if not re.fullmatch(r"-?(?:\d{1,30}(?:\.\d{0,30})?|\.\d{1,30})(?:/\d{1,15})?", bare):
        return ""
    try:
        above, _, below = bare.partition("/")
        return str(Fraction(above) / Fraction(below or 1))
    except (ValueError, ZeroDivisionError):
        return ""


def _literal(text: str) -> str:
    """A Python value, however it is quoted and spaced."""
    if not text or len(text) > _LONGEST or text[0] not in "'\"[({" or "\\" in text:  # of an odd escape Python would warn, and quote it
        return ""
    try:
        value = ast.literal_eval(text)
        said = repr(value)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return ""
    if isinstance(value, str):
        return _short(value)
    return _canonical(value) if isinstance(value, list | dict) and "(" not in said else said
