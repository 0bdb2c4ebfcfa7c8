"""Whether a further model takes an answer for right: what it is asked, and how its reply is read. The call is the plan's."""

from __future__ import annotations

import re

from pointsman.core.answer import Answer, Grade
from pointsman.plans.checks.asked import Asked
from pointsman.plans.checks.asking import WARNING, fenced, seal, shown, task

_LINE = re.compile(
    r"^[\s*_`#>\"']{0,8}probability[\s*_`\"']{0,6}[:=][\s*_`\"'~]{0,6}(\d{1,3}(?:\.\d{1,4})?)[ \t]{0,2}(%|/ ?100)?[\s*_`.\"']{0,8}$",
    re.IGNORECASE,
)
_WORD = re.compile(r"^[\s*_`#>\"']{0,8}verdict[\s*_`\"']{0,6}[:=][\s*_`\"']{0,6}(right|wrong)[\s*_`.\"']{0,8}$", re.IGNORECASE)
_TASK = "Below are a task and an answer to it. Work out whether the answer is correct and does all that the task asks."
_REPLY = (
    "Solve the task yourself first, briefly. Then end with two lines and nothing after them: "
    "{}, and `probability: N`, where N, from 0 to 100, says how likely it is that the answer is right."
)
_MOST_LINES = 3  # from the end: before that it thinks aloud, and may quote


def question(asked: Asked, answer: Answer, swapped: bool) -> str:
    """What a verifier is asked. `swapped` puts the answer before the task and `wrong` before `right`: models favour what they read first.

    >>> "verdict: wrong" in question(Asked("2 + 2?"), Answer("4"), swapped=False)
    True
    """
    what, said = task(asked), shown(answer)
    mark = seal(what, said)
    pieces = [f"The task:\n{fenced('task', what, mark)}", f"The answer:\n{fenced('answer', said, mark)}"]
    words = ["`verdict: right`", "`verdict: wrong`"]
    if swapped:
        pieces.reverse()
        words.reverse()
    return "\n\n".join(
        (
            f"{_TASK} {WARNING}",
            *pieces,
            _REPLY.format(" or ".join(words)),
        )
    )


def verdict(text: str) -> float | None:
    """How likely a verifier takes the answer to be right, by the last lines of its reply; `None` where it does not say, or says both.

    >>> verdict("It adds up.\\nverdict: right\\nprobability: 90"), verdict("verdict: wrong"), verdict("I am not sure")
    (0.9, 0.0, None)
    """
    lines = [line for line in text[-4_000:].split("\n") if line.strip()][-_MOST_LINES:]
    words = {found[1].lower() for line in lines if (found := _WORD.match(line))}
    shares = [float(found[1]) for line in lines if (found := _LINE.match(line))]
    if len(words) != 1:
        return None
    right = words == {"right"}
    if len(shares) != 1 or shares[0] > 100:
        return float(right) if not shares else None
    share = shares[0] / 100
    return share if right == (share >= 0.5) else None


def verified(verdicts: tuple[float | None, ...]) -> Grade:
    """The mean of what was said in either order. Abstains where nothing was.

    >>> verified((0.9, 0.5)).value
    0.7
    """
    told = [each for each in verdicts if each is not None]
    if not told:
        return Grade("verifier", None, "it did not say")
    return Grade("verifier", round(sum(told) / len(told), 4), f"asked {len(verdicts)} times, it said {len(told)} times")
