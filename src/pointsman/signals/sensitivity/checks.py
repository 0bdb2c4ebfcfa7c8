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
_DOUBLED = bytes.maketrans(b"0123456789", b"0246813579")  # the digit sums of twice each digit
_LEAST_DIGITS, _MOST_DIGITS = 13, 19  # of a card's number (ISO/IEC 7812-1)


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
    """First and last of the groups of digits that one could write a card's number in: equal ones, one, four by four, or 4-6-5."""
    if _LEAST_DIGITS <= sum(lengths) <= _MOST_DIGITS and len(set(lengths[:-1])) == 1 and lengths[-1] <= lengths[0] + 1:
        yield 0, len(lengths) - 1
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


def _issued(digits: str) -> bool:
    first = int(digits[:4])
    return (
        len(set(digits)) > 1
        and (digits[0] in "3456" or 2221 <= first <= 2720 or first in {1800, 2014, 2131, 2149} or 2200 <= first <= 2204)
        and (digits[0] != "3" or digits[1] in "045678")
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

    text = candidate.strip()
    text = f"+{text[2:]}" if text.startswith("00") else text
    try:
        number = phonenumbers.parse(text, None if text.startswith("+") else "US")
    except phonenumbers.NumberParseException:
        return None
    return (0, len(candidate)) if phonenumbers.is_valid_number(number) else None


def _phone_digits(candidate: str) -> tuple[int, int] | None:
    """Enough digits for a phone number, not all the same, and not a date or an amount."""
    digits = "".join(_GROUP.findall(candidate))
    if not 7 <= len(digits) <= 15 or len(set(digits)) == 1 or _DATE.search(candidate):
        return None
    return 0, len(candidate)


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
