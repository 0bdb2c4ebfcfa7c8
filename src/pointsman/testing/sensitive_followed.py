"""Made-up values with words after them: a value goes whole when it is masked, and the words stay."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping

from pointsman.testing.sensitive_texts import Sample
from pointsman.testing.sensitive_values import VALUES, secret

_NAMES = (
    *("John Smith", "Anna Kowalska", "Peter Mueller", "John F. Kennedy", "J. R. Hartley", "Ludwig van Beethoven", "Li Wei", "Al Gore"),
    *("María José Carreño Quiñones", "Jean-Pierre d'Arc", "Siobhán O’Brien", "Ann McDonald-O'Neil", "Lech Wałęsa", "Jørgen Strauß"),
    *(
        "Dr. Ada Byron",
        "Abdul al-Rahman bin Saud",
        "Juan de la Cruz",
        "Joaquim da Silva e Souza",
        "Иван Петров",
        "Νίκος Παππάς",
        "JOHN SMITH",
    ),
    *("Oscar van der Berg", "Anne Marie St. John", "Wolfeschlegelsteinhausen Schmidt", "Zoë", "Nguyễn Văn An"),
)
_STREETS = ("742 Evergreen Terrace", "12 Main Street", "221B Baker Street", "1600 N. Martin Road", "Lindenstraße 14", "Rua do Arenque 163")


def _digits(chance: random.Random, count: int) -> str:
    return str(chance.randint(10 ** (count - 1), 10**count - 1))


def _date(chance: random.Random) -> str:
    day, year = chance.randint(1, 28), chance.randint(1930, 2010)
    return chance.choice((f"{day} March {year}", f"May {day}, {year}", f"{year}-05-{day:02d}", f"{day:02d}/07/{year}"))


_Announced = tuple[str, tuple[str, ...], Callable[[random.Random], str]]

ANNOUNCED: Mapping[str, _Announced] = {
    "introduced name": ("pii", ("My name is ", "her full name is ", "Me llamo ", "Call me "), lambda chance: chance.choice(_NAMES)),
    "name in a form": ("pii", ("name: ", "a,b\nCustomer name: ", "Full Name = ", '"name": "'), lambda chance: chance.choice(_NAMES)),
    "street": ("pii", ("I live at ", "", "the parcel went to "), lambda chance: chance.choice(_STREETS)),
    "birth date": ("pii", ("born on ", "DOB: ", "date of birth: "), _date),
    "passport": ("pii", ("passport number: ", "my passport is "), lambda chance: "X" + _digits(chance, 7)),
    "licence": ("pii", ("driver's license number is ", "driving licence: "), lambda chance: "A" + _digits(chance, 8)),
    "postal code": (
        "pii",
        ("zip: ", "postcode is "),
        lambda chance: chance.choice(("94110", "94110-1234", "SW1A 1AA", "1017 AB", "00-950")),
    ),
    "local phone": ("pii", ("call me on ", "tel: "), lambda chance: chance.choice(("030 ", "0171-", "555 ")) + _digits(chance, 7)),
    "ip address": (
        "pii",
        ("from ", "the host "),
        lambda chance: f"{chance.randint(11, 99)}.{chance.randint(0, 255)}.7.{chance.randint(1, 250)}",
    ),
    "account": ("financial", ("my account number is ", "acct no. "), lambda chance: _digits(chance, 9)),
    "medical record": ("phi", ("MRN: ", "patient id "), lambda chance: _digits(chance, 7)),
    "password": ("credential", ("the password is ", "pwd: "), lambda chance: f"hunter{_digits(chance, 3)}x"),
    **{name: (kind, ("", "it is ", "We noted: "), make) for name, (kind, make) in VALUES.items()},
}
"""Types of values: the label, what announces one, and what makes one."""

FOLLOWING = (
    *(
        "",
        ". Then call me.",
        ", please confirm",
        " and then we go on",
        "; thanks a lot",
        "\nRegards, the team",
        " 2 items are left",
        ") was said",
    ),
    *(
        "? I need it today.",
        "! Thank you",
        " - that is all",
        " / or so",
        ": see above",
        '" was the answer',
        "\n\nThen came the rest.",
        " (twice)",
    ),
    *(
        "\tand more",
        ". It was sent on Monday. Please look.",
        " is what they have",
        ".\nNext line",
        "… and so on",
        " I think",
        " Please help",
        ", 3 of them",
    ),
)


def followed(count: int, seed: int = 0) -> Iterator[Sample]:
    """Requests with one value each and something after it, every type with everything in turn."""
    chance = random.Random(seed)  # noqa: S311
    pairs = [(name, after) for after in FOLLOWING for name in ANNOUNCED]
    for index in range(count):
        name, after = pairs[index % len(pairs)]
        kind, before, make = ANNOUNCED[name]
        value = make(chance)
        start, end = secret(name, value)
        text = f"{chance.choice(before)}{value}{after}"
        yield Sample({"messages": [{"role": "user", "content": text}]}, name, kind, repr(after), "followed", value, value[start:end])
