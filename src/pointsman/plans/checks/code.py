"""Whether the code in an answer parses."""

from __future__ import annotations

import ast
import warnings

from pointsman.core.answer import Answer, Grade
from pointsman.plans.checks.asked import Asked
from pointsman.plans.checks.reading import Block, as_json, read, split

_MOST_BLOCKS = 16
_MOST_CODE = 12_000  # characters of all blocks of one language together that are parsed
_MOST_YAML = 4_000
_MOST_BRACKETS = 200  # libyaml takes the square of their depth


def code(answer: Answer, asked: Asked) -> Grade:
    """The share of fenced Python, JSON and YAML blocks that parse. Abstains where there is none, or they are long. Nothing is run.

    >>> code(Answer("```python\\nprint('a'\\n```"), Asked()).value
    0.0
    """
    if "```" not in answer.text:
        return Grade("code", None, "it holds no code that can be parsed")
    room = {"python": _MOST_CODE, "json": _MOST_CODE, "yaml": _MOST_YAML}
    found: list[bool] = []
    for block in split(read(answer.text))[1][:_MOST_BLOCKS]:
        kind = _KINDS.get(block.language.split(" ")[0])
        if kind is None or not block.body.strip() or block.body.lstrip().startswith((">>>", "%", "!", "$")):
            continue
        room[kind] -= len(block.body)
        if room[kind] >= 0 and not (kind == "yaml" and block.body.count("[") + block.body.count("{") > _MOST_BRACKETS):
            found.append(_parses(kind, block))
    if not found:
        return Grade("code", None, "it holds no code that can be parsed")
    return Grade("code", sum(found) / len(found), f"{sum(found)} of {len(found)} blocks parse")


_KINDS = {"python": "python", "py": "python", "python3": "python", "json": "json", "yaml": "yaml", "yml": "yaml"}


def _parses(kind: str, block: Block) -> bool:
    if kind == "python":
        return _python(block.body)
    return as_json(block.body.strip()) is not None if kind == "json" else _yaml(block.body)


def _python(text: str) -> bool:
    try:
        with warnings.catch_warnings():  # of odd escapes: the code is someone else's
            warnings.simplefilter("ignore")
            ast.parse(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return True


def _yaml(text: str) -> bool:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        for _ in yaml.parse(text, Loader=loader):  # events only: nothing is made, no alias is followed
            pass
    except (yaml.YAMLError, ValueError, RecursionError):
        return False
    return True
