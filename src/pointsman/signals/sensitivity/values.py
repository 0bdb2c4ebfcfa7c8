"""Checks of values that have no check digit: whether somebody chose them to be secret, and whether words can be a name."""

from __future__ import annotations

import binascii
import json
import math
import re
from collections import Counter

_DUMMY = re.compile(
    r"(?i)x{4,}|\*{3,}|your|example|changeme|placeholder|redacted|dummy|<|>|\$\{|(?-i:^\$(?:[A-Z_]+|[a-z_]+)$)|\{\{|%\(|\bnull\b|\b(?:none|true|false)$|\.\.\."
)
_CODE = re.compile(r"[$A-Za-z_][\w.]*[(\[]|[$A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+$")
_WORDS = re.compile(r"[a-z]+(?:[-_][a-z]+)*|[A-Z][a-z]+|[A-Z]+")


def bits(text: str) -> float:
    """Shannon entropy of the characters, in bits each.

    >>> bits("aaaa"), bits("abcd")
    (0.0, 2.0)
    """
    counts = Counter(text)
    return sum(count / len(text) * math.log2(len(text) / count) for count in counts.values()) if text else 0.0


def random_value(candidate: str) -> tuple[int, int] | None:
    """A value that chance made, or a person who had to: not a word, a name in a program, or a stand-in."""
    value = candidate.rstrip(".,;:)!?'\"`")
    if len(value) < 8 or _DUMMY.search(value) or _CODE.match(value) or _WORDS.fullmatch(value):
        return None
    mixed = sum((any(map(str.islower, value)), any(map(str.isupper, value)), any(map(str.isdigit, value)), not value.isalnum()))
    return (0, len(value)) if mixed >= 2 and bits(value) >= 2.5 else None


def password(candidate: str) -> tuple[int, int] | None:
    """What a person would choose as a password, and not the next word of the sentence."""
    value = candidate.rstrip(".,;:)'\"`")
    if len(value) < 4 or _DUMMY.search(value) or _CODE.match(value):
        return None
    mixed = any(map(str.isdigit, value)) or any(not character.isalnum() and character not in "-'’/" for character in value)
    return (0, len(value)) if mixed and any(map(str.isalpha, value)) else None


def not_stand_in(candidate: str) -> tuple[int, int] | None:
    return None if _DUMMY.search(candidate) or _CODE.match(candidate) else (0, len(candidate))


def token(candidate: str) -> tuple[int, int] | None:
    """Made by a machine: with digits, or capitals in the midst of small letters; not words with hyphens."""
    value = candidate.rstrip(".")
    made = any(map(str.isdigit, value)) or re.search("[a-z][A-Z]", value)
    return (0, len(value)) if made and not _DUMMY.search(value) else None


def jwt(candidate: str) -> tuple[int, int] | None:
    """A head that is one, and the three parts of a signed token or the five of an encrypted one (RFC 7515, 7516)."""
    parts = candidate.split(".")
    try:
        header = json.loads(binascii.a2b_base64(parts[0].replace("-", "+").replace("_", "/") + "=="))
    except (ValueError, RecursionError):
        return None
    if not isinstance(header, dict) or "alg" not in header:
        return None
    return 0, len(".".join(parts[: 5 if "enc" in header else 3]).rstrip("."))


def mixed(candidate: str) -> tuple[int, int] | None:
    """Letters and digits both: no word, no plain number."""
    return (0, len(candidate.rstrip("."))) if any(map(str.isdigit, candidate)) and bits(candidate) >= 2.5 else None


def has_digit(candidate: str) -> tuple[int, int] | None:
    return (0, len(candidate)) if any(map(str.isdigit, candidate)) else None


_NO_NAMES = frozenset(
    re.findall(
        r"\S+",
        """
        a about afraid all also always an and any are as at back because been being but calling can done for from fully getting glad going
        good great happy have having here how i if in interested is it just late like looking lost my new no not of on or our out over
        please really sad so sorry still sure that the there they this to too trying unable up very was we what when where who why will
        with you your
        account address after before but call card could customer date did does email first from had has hello her hi his iban id its
        last let mail me mrn need next note number once order patient phone regards said says she should since ssn tel thank thanks their
        dob then these today tomorrow want would write wrote yes yesterday
        """,
    )
)
"""Words that stand where a name might."""
_AFTER_NAMES = frozenset(word for word in _NO_NAMES if len(word) > 2 or word in {"is", "it", "me", "my"}) - {"will", "her", "his", "are"}
"""Those that nobody has as a second name."""


def name(candidate: str) -> tuple[int, int] | None:
    """Words that can be a person's name, up to the first everyday word; an initial is none, and nobody is called `I`.

    >>> name("John A. Smith"), name("John Smith Please"), name("Will Smith"), name("Not At All")
    ((0, 13), (0, 10), (0, 10), None)
    """
    end = 0
    for word in re.finditer(r"\S+", candidate):
        plain = word[0].lower().strip(".,'")
        if word[0] == "I" or (plain in (_AFTER_NAMES if end else _NO_NAMES) and len(plain) > 1 and plain != "will"):
            break
        end = word.end()
    return (0, end - 2 * candidate[:end].endswith("'s")) if end else None
