"""Made-up identifiers with the check digits that such identifiers have."""

from __future__ import annotations

import base64
import json
import random
import re
import string
from collections.abc import Callable, Mapping


def _digits(chance: random.Random, count: int) -> str:
    return "".join(chance.choices(string.digits, k=count))


def _luhn(digits: str) -> str:
    total = 0
    for at, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if at % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return digits + str(-total % 10)


def _card(chance: random.Random) -> str:
    head, length = chance.choice((("4", 16), ("51", 16), ("55", 16), ("2345", 16), ("37", 15), ("6011", 16), ("3530", 16)))
    number = _luhn(head + _digits(chance, length - len(head) - 1))
    if length == 15 or chance.random() < 0.5:
        return number
    return chance.choice((" ", "-")).join(number[at : at + 4] for at in range(0, 16, 4))


def _iban(chance: random.Random) -> str:
    country, bank, length = chance.choice(
        (("DE", "", 18), ("GB", "WEST", 14), ("NL", "ABNA", 10), ("ES", "", 20), ("CH", "", 17), ("AT", "", 16))
    )
    account = bank + _digits(chance, length)
    if country == "ES":
        account = _spanish_account(chance)
    number = int("".join(str(int(c, 36)) for c in f"{account}{country}00"))
    iban = f"{country}{98 - number % 97:02d}{account}"
    return iban if chance.random() < 0.5 else " ".join(iban[at : at + 4] for at in range(0, len(iban), 4))


def _spanish_account(chance: random.Random) -> str:
    def check(digits: str) -> str:
        rest = 11 - sum(int(d) * 2**at for at, d in enumerate(digits.rjust(10, "0"))) % 11
        return str({10: 1, 11: 0}.get(rest, rest))

    bank, account = _digits(chance, 8), _digits(chance, 10)
    return bank + check(bank) + check(account) + account


def _us_ssn(chance: random.Random) -> str:
    area = chance.choice([*range(1, 666), *range(667, 900)])
    return f"{area:03d}-{chance.randint(1, 99):02d}-{chance.randint(1, 9999):04d}"


def _email(chance: random.Random) -> str:
    first, last = chance.choice(_FIRST), chance.choice(_LAST)
    host = chance.choice(("example.com", "mail.example.org", "acme-corp.io", "uni-beispiel.de", "correo.example.es", "company.co.uk"))
    return chance.choice(
        (f"{first}.{last}@{host}", f"{first[0]}{last}{chance.randint(1, 99)}@{host}", f"{first}_{last}+news@{host}")
    ).lower()


def _phone(chance: random.Random) -> str:
    return chance.choice(
        (
            f"+1 {chance.choice(('212', '415', '617', '305'))}-555-01{_digits(chance, 2)}".replace(
                "555-01", f"{chance.randint(220, 989)}-01"
            ),
            f"+44 20 79{_digits(chance, 2)} {_digits(chance, 4)}",
            f"+49 30 {chance.randint(2, 8)}{_digits(chance, 7)}",
            f"+33 6 {chance.randint(10, 79)} {_digits(chance, 2)} {_digits(chance, 2)} {_digits(chance, 2)}",
            f"({chance.choice(('212', '415', '617', '305'))}) {chance.randint(220, 989)}-{_digits(chance, 4)}",
        )
    )


def _uk_nhs(chance: random.Random) -> str:
    while True:
        digits = str(chance.randint(4, 7)) + _digits(chance, 8)
        check = 11 - sum(int(d) * (10 - at) for at, d in enumerate(digits)) % 11
        if check != 10:
            number = digits + str(check % 11)
            return f"{number[:3]} {number[3:6]} {number[6:]}"


def _es_dni(chance: random.Random) -> str:
    number = chance.randint(10_000_000, 99_999_999)
    return f"{number}{'TRWAGMYFPDXBNJZSQVHLCKE'[number % 23]}"


def _br_cpf(chance: random.Random) -> str:
    digits = [chance.randint(0, 9) for _ in range(9)]
    for _ in range(2):
        rest = sum(digit * weight for digit, weight in zip(digits, range(len(digits) + 1, 1, -1), strict=True)) % 11
        digits.append(0 if rest < 2 else 11 - rest)
    text = "".join(map(str, digits))
    return f"{text[:3]}.{text[3:6]}.{text[6:9]}-{text[9:]}"


def _fr_nir(chance: random.Random) -> str:
    born = f"{chance.randint(1, 2)}{chance.randint(40, 99)}{chance.randint(1, 12):02d}"
    number = f"{born}{chance.randint(1, 95):02d}{chance.randint(1, 990):03d}{chance.randint(1, 999):03d}"
    if number[5:7] == "20":
        number = f"{number[:5]}75{number[7:]}"
    text = f"{number}{97 - int(number) % 97:02d}"
    return text if chance.random() < 0.5 else " ".join((text[0], text[1:3], text[3:5], text[5:7], text[7:10], text[10:13], text[13:]))


def _api_token(chance: random.Random) -> str:
    word = string.ascii_letters + string.digits
    upper = string.ascii_uppercase + "234567"
    return chance.choice(
        (
            lambda: "AKIA" + "".join(chance.choices(upper, k=16)),
            lambda: "ghp_" + "".join(chance.choices(word, k=36)),
            lambda: "sk-proj-" + "".join(chance.choices(word, k=48)),
            lambda: "xoxb-" + _digits(chance, 12) + "-" + "".join(chance.choices(word, k=24)),
            lambda: "sk_live_" + "".join(chance.choices(word, k=24)),
            lambda: "glpat-" + "".join(chance.choices(word, k=20)),
        )
    )()


def _jwt(chance: random.Random) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    claims = {"sub": _digits(chance, 8), "name": chance.choice(_FIRST), "iat": chance.randint(1_600_000_000, 1_800_000_000)}
    signature = base64.urlsafe_b64encode(chance.randbytes(32)).decode().rstrip("=")
    return f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(claims)}.{signature}"


def _connection_string(chance: random.Random) -> str:
    scheme, port = chance.choice((("postgresql", 5432), ("mysql", 3306), ("mongodb+srv", 27017), ("redis", 6379), ("amqp", 5672)))
    password = "".join(chance.choices(string.ascii_letters + string.digits + "!$*", k=12))
    return f"{scheme}://{chance.choice(_FIRST).lower()}:{password}@db{chance.randint(1, 9)}.internal.example.com:{port}/main"


VALUES: Mapping[str, tuple[str, Callable[[random.Random], str]]] = {
    "card": ("financial", _card),
    "iban": ("financial", _iban),
    "us_ssn": ("pii", _us_ssn),
    "email": ("pii", _email),
    "phone": ("pii", _phone),
    "uk_nhs": ("phi", _uk_nhs),
    "es_dni": ("pii", _es_dni),
    "br_cpf": ("pii", _br_cpf),
    "fr_nir": ("pii", _fr_nir),
    "api_token": ("secret", _api_token),
    "jwt": ("secret", _jwt),
    "connection_string": ("credential", _connection_string),
}
"""Types of identifiers: the label that each should raise, and what makes one."""

_PASSWORD = re.compile("(?<=:)[^:@/]+(?=@)")


def secret(name: str, value: str) -> tuple[int, int]:
    """Which part of the value is what nobody may see: of a connection string its password, else all of it."""
    found = _PASSWORD.search(value) if name == "connection_string" else None
    return found.span() if found else (0, len(value))


_FIRST = ("Anna", "Boris", "Chen", "Divya", "Emeka", "Fatima", "Greta", "Hugo", "Ines", "Jonas", "Kaja", "Luca", "Marta", "Noor", "Olga")
_LAST = (
    "Almeida",
    "Becker",
    "Costa",
    "Duarte",
    "Eriksen",
    "Ferrari",
    "Garcia",
    "Haddad",
    "Ivanova",
    "Jansen",
    "Kowalski",
    "Lindgren",
    "Meyer",
)
