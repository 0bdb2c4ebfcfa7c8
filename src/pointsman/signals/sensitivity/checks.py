"""Checks of candidates: check digits, formats with rules, phone numbers, signs of chance.

A check says which part of the candidate is real, as a span, or `None`. `stdnum:xx.name` is the number format of that name in python-stdnum.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module

from pointsman.errors import ConfigError
from pointsman.signals.sensitivity import values

Check = Callable[[str], tuple[int, int] | None]
"""Given a candidate, the span of it that is real."""

LONGEST = 4096  # characters of a candidate that are checked
_STDNUM = re.compile(r"[a-z]{2,3}_?(?:\.[a-z0-9_]+)?|[a-z0-9_]+")
_DATE = re.compile(r"(?:19|20)\d\d[-/.]\d\d?[-/.]\d\d?|\b\d\d?[-/.]\d\d?[-/.](?:19|20)\d\d\b")
_GROUP = re.compile("[0-9]+")
_NEXT = re.compile(r"\.\s|\)\s|\s[(/-]\s?|\s(?=[0-9]$)")  # what may end a number, if there are enough digits before it
_EXTENSION = re.compile(r"(?i)[ ,]{0,2}(?:x|ext)")
_SENTENCE = re.compile(r"\.\s")
_WHOLE_EMAIL = re.compile(r"(?is).*(?:@|at\s?[\])}>]).*(?:\.|dot\s?[\])}>])\s?[a-z]{2,24}")
_WHOLE_NUMBER = re.compile(r"\S{6,}(?= )")
_ADDRESS_END = re.compile(r"(?i)(?<![\s.]\w)(?<![\s.]\w\w)(?<![\s.]\w\w\w)(?<!blvd)\.\s|,?\s(?:please|thanks?|but|because)\b")
_DOUBLED = bytes.maketrans(b"0123456789", b"0246813579")  # the digit sums of twice each digit
_LEAST_DIGITS, _MOST_DIGITS = 13, 19  # of a card's number (ISO/IEC 7812-1)
_ANY_LENGTH = range(_LEAST_DIGITS, _MOST_DIGITS + 1)
_LEAST_PHONE, _MOST_SHORTER = 7, 1  # digits of a number; groups after one that may turn out to be none of it
_LENGTHS = {"34": (15,), "37": (15,), "4": (13, 16, 19), **{str(head): (16,) for head in range(51, 56)}}  # where issuers have one


def find_check(name: str) -> Check:
    """The check of that name. Raises `ConfigError`."""
    kind, _, module = name.partition(":")
    if kind == "stdnum" and _STDNUM.fullmatch(module):
        try:
            found = import_module(f"stdnum.{module}")
        except ImportError:
            found = None
        if found is not None and hasattr(found, "is_valid"):
            return partial(_stdnum, found.is_valid)
    elif name in CHECKS:
        return CHECKS[name]
    known = ", ".join(f"`{known}`" for known in sorted(CHECKS))
    raise ConfigError(f"unknown check `{name}`: it is one of {known}, or `stdnum:` and a format of python-stdnum")


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others (ISO/IEC 7812-1, annex B).

    >>> luhn("4111111111111111"), luhn("4111111111111112")
    (True, False)
    """
    raw = digits.encode()
    return (sum(raw[::-1][::2]) + sum(raw[-2::-2].translate(_DOUBLED)) - 48 * len(raw)) % 10 == 0


def _stdnum(is_valid: Callable[[str], bool], candidate: str) -> tuple[int, int] | None:
    return (0, len(candidate)) if is_valid(candidate) else None


def _luhn(candidate: str) -> tuple[int, int] | None:
    digits = "".join(_GROUP.findall(candidate))
    return (0, len(candidate)) if digits.strip("0") and luhn(digits) else None


def card(candidate: str) -> tuple[int, int] | None:
    """A payment card number, with what may stand around it: issuer, length, check digit, and groups that one would write.

    >>> card("12 4111 1111 1111 1111"), card("4111111111111112")
    ((3, 22), None)
    """
    groups = [match.span() for match in _GROUP.finditer(candidate)]
    for first, last in _written([end - start for start, end in groups]):
        digits = "".join([candidate[start:end] for start, end in groups[first : last + 1]])
        if _issued(digits) and luhn(digits):
            return groups[first][0], groups[last][1]
    return None


def _written(lengths: list[int]) -> Iterator[tuple[int, int]]:
    """First and last of the groups of digits that one could write a card's number in: one, four by four, 4-6-5, or equal ones."""
    for first, length in enumerate(lengths):
        if _LEAST_DIGITS <= length <= _MOST_DIGITS:
            yield first, first
        elif lengths[first : first + 3] == [4, 4, 4]:
            for last in range(first + 3, min(first + 5, len(lengths))):
                if lengths[last] > 4 or sum(lengths[first : last + 1]) > _MOST_DIGITS:
                    break
                yield first, last
                if lengths[last] < 4:
                    break
        elif lengths[first : first + 3] == [4, 6, 5]:
            yield first, first + 2
    if _LEAST_DIGITS <= sum(lengths) <= _MOST_DIGITS and len(set(lengths[:-1])) == 1 and lengths[-1] <= lengths[0] + 1:
        yield 0, len(lengths) - 1


def _issued(digits: str) -> bool:
    first = int(digits[:4])
    return (
        len(set(digits)) > 1
        and (digits[0] in "3456" or 2221 <= first <= 2720 or first in {1800, 2014, 2131, 2149} or 2200 <= first <= 2204)
        and (digits[0] != "3" or digits[1] in "045678")
        and len(digits) in _LENGTHS.get(digits[:2], _LENGTHS.get(digits[0], _ANY_LENGTH))
    )


def iban(candidate: str) -> tuple[int, int] | None:
    """An IBAN, with or without gaps, of which the end may be the next word."""
    from stdnum import iban as rules

    end = len(candidate)
    while end >= 15:
        if _mod_97(candidate[:end]) and rules.is_valid(candidate[:end]):
            return 0, end
        gap = max(candidate.rfind(" ", 0, end), candidate.rfind("-", 0, end))
        if gap < 15:
            return None
        end = gap
    return None


def _mod_97(candidate: str) -> bool:
    """The check digits of ISO 13616, before anything that takes longer."""
    joined = candidate.replace(" ", "").replace("-", "")
    return len(joined) <= 34 and int("".join(str(int(character, 36)) for character in joined[4:] + joined[:4])) % 97 == 1


def phone(candidate: str) -> tuple[int, int] | None:
    """A phone number with its country's code, or written as North Americans do."""
    import phonenumbers

    for end in _ends(candidate):
        text = candidate[:end].strip()
        text = f"+{text[2:]}" if text.startswith("00") else text
        try:
            number = phonenumbers.parse(text, None if text.startswith("+") else "US")
        except phonenumbers.NumberParseException:
            return None
        if phonenumbers.is_valid_number(number):
            return 0, end
    return None


def _ends(candidate: str) -> Iterator[int]:
    """Where a phone number could end: with what may be another number, or before that."""
    end = _number_end(candidate)
    yield end
    for group in list(_GROUP.finditer(candidate, 0, end))[:0:-1][:_MOST_SHORTER] if candidate[0] in "+0" else ():
        before = candidate[: group.start()].rstrip(" ()./-")
        if sum(map(str.isdigit, before)) < _LEAST_PHONE + 1:
            return
        yield len(before)


def _number_end(candidate: str) -> int:
    for gap in _NEXT.finditer(candidate):
        if sum(map(str.isdigit, candidate[: gap.start()])) >= _LEAST_PHONE:
            return gap.start()
    return len(candidate)


def _phone_digits(candidate: str) -> tuple[int, int] | None:
    """Enough digits for a phone number, not all the same, and not a date or an amount."""
    number = _EXTENSION.split(candidate, maxsplit=1)[0]
    end = _number_end(number)
    digits = "".join(_GROUP.findall(number, 0, end))
    if not _LEAST_PHONE <= len(digits) <= 15 or len(set(digits)) == 1 or _DATE.search(candidate):
        return None
    return 0, end if end < len(number) else len(candidate)


def _number(candidate: str) -> tuple[int, int] | None:
    """Six characters or more with a digit; who writes so many together does not go on after a gap."""
    whole = _WHOLE_NUMBER.match(candidate)
    end = whole.end() if whole else len(candidate)
    return (0, end) if end >= 6 and any(map(str.isdigit, candidate[:end])) else None


def _email(candidate: str) -> tuple[int, int] | None:
    """An address, of which a dot and a gap may be the end of the sentence. A user and a password before a host are none."""
    if candidate[0] == ":":
        return None
    for dot in _SENTENCE.finditer(candidate):
        if _WHOLE_EMAIL.fullmatch(candidate, 0, dot.start()):
            return 0, dot.start()
        if candidate[dot.end() :][:1].isupper() and not candidate.isupper():
            return None
    return 0, len(candidate)


def _address(candidate: str) -> tuple[int, int] | None:
    """Up to the end of the sentence, which is not the dot of `St.`, or to a word that no address has."""
    found = _ADDRESS_END.search(candidate)
    return (0, found.start() if found else len(candidate)) if any(map(str.isdigit, candidate[: found and found.start()])) else None


def _public_address(candidate: str) -> tuple[int, int] | None:
    try:
        address = ipaddress.ip_address(candidate)
    except ValueError:
        return None
    dull = address.is_private or address.is_loopback or address.is_unspecified or address.is_multicast or address.is_reserved
    return None if dull or candidate.endswith(".0.0") or int(address) < 1 << 25 else (0, len(candidate))


def _us_ssn(candidate: str) -> tuple[int, int] | None:
    digits = "".join(_GROUP.findall(candidate))
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    if len(digits) != 9 or area in {"000", "666"} or area[0] == "9" or group == "00" or serial == "0000" or len(set(digits)) == 1:
        return None
    return 0, len(candidate)


CHECKS: dict[str, Check] = {
    "luhn": _luhn,
    "card": card,
    "iban": iban,
    "phone": phone,
    "phone_digits": _phone_digits,
    "number": _number,
    "email": _email,
    "address": _address,
    "public_address": _public_address,
    "us_ssn": _us_ssn,
    "random_value": values.random_value,
    "password": values.password,
    "not_stand_in": values.not_stand_in,
    "token": values.token,
    "jwt": values.jwt,
    "mixed": values.mixed,
    "has_digit": values.has_digit,
    "name": values.name,
}
"""Checks by the name that a recogniser gives."""
