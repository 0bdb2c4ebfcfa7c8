"""Texts that hold nothing sensitive, and much that looks like it: order numbers, hashes, code, general questions."""

from __future__ import annotations

import base64
import random
import string
import uuid
from collections.abc import Callable, Mapping


def _digits(chance: random.Random, count: int) -> str:
    return str(chance.randint(1, 9)) + "".join(chance.choices(string.digits, k=count - 1))


def _date(chance: random.Random) -> str:
    return f"{chance.randint(1999, 2027)}-{chance.randint(1, 12):02d}-{chance.randint(1, 28):02d}"


def _ean(chance: random.Random) -> str:
    digits = "97" + chance.choice("89") + _digits(chance, 9)
    return digits + str(-sum(int(d) * (3 if at % 2 else 1) for at, d in enumerate(digits)) % 10)


def _order(chance: random.Random) -> str:
    number = chance.choice((f"ORD-{_digits(chance, 8)}", f"#{_digits(chance, 6)}", f"PO {_digits(chance, 7)}", f"RMA{_digits(chance, 9)}"))
    return f"Where is my order {number}? It was placed on {_date(chance)} and should have arrived {chance.randint(2, 9)} days ago."


def _tracking(chance: random.Random) -> str:
    number = chance.choice((f"1Z999AA1{_digits(chance, 10)}", f"JD{_digits(chance, 18)}", f"RR{_digits(chance, 9)}DE"))
    return f"Tracking says {number} left the depot at {chance.randint(0, 23)}:{chance.randint(10, 59)}. What does that mean?"


def _log(chance: random.Random) -> str:
    stamp = f"{_date(chance)}T{chance.randint(0, 23):02d}:{chance.randint(0, 59):02d}:{chance.randint(0, 59):02d}.{_digits(chance, 6)}Z"
    return (
        f"Explain this log:\n{stamp} INFO worker-{chance.randint(1, 9)} request_id={uuid.UUID(int=chance.getrandbits(128))} "
        f"duration_ms={chance.randint(1, 9000)} status=200 bytes={_digits(chance, 7)} "
        f"host=10.0.{chance.randint(0, 255)}.{chance.randint(1, 254)}"
    )


def _code(chance: random.Random) -> str:
    return (
        chance.choice(
            (
                'import os\napi_key = os.environ["API_KEY"]\nclient = Client(api_key=api_key, timeout=30)',
                'password = getpass.getpass("Password: ")\nif not check_password(user, password):\n    raise PermissionError',
                "def total(items: list[int]) -> int:\n    return sum(item.price * 100 for item in items)",
                "SELECT id, name, email\nFROM users WHERE created_at > '2024-01-01' ORDER BY id LIMIT 100;",
                "token: ${{ secrets.GITHUB_TOKEN }}\nwith:\n  node-version: 20",
                "const secret = process.env.CLIENT_SECRET;\nfetch(url, {headers: {Authorization: `Bearer ${token}`}})",
                "DATABASE_URL=postgresql://user:${DB_PASSWORD}@localhost:5432/app\nAPI_KEY=your_api_key_here",
                "for i in range(10):\n    print(f'{i:03d} {0x7f3a2b1c + i:08x}')",
                "def is_valid(email: str) -> bool:\n    return re.match(r'[^@]+@[^@]+', email) is not None",
                "kubectl get pods -n prod --selector=app=web,version=1.14.2",
            )
        )
        + f"\n# line {chance.randint(1, 400)}: why is this slow?"
    )


def _hash(chance: random.Random) -> str:
    length = chance.choice((32, 40, 64))
    kind = {32: "MD5", 40: "commit", 64: "SHA-256"}[length]
    return f"The {kind} {''.join(chance.choices('0123456789abcdef', k=length))} does not match the file, what should I do?"


def _binary(chance: random.Random) -> str:
    return f"Decode this image: {base64.b64encode(chance.randbytes(chance.randint(40, 400))).decode()}"


def _words_encoded(chance: random.Random) -> str:
    text = " ".join(chance.choices(_WORDS, k=chance.randint(4, 20)))
    return f"What does {base64.b64encode(text.encode()).decode()} say?"


def _product(chance: random.Random) -> str:
    return f"Is the book with ISBN {_ean(chance)} in stock, and what does part {_digits(chance, 5)}-{_digits(chance, 3)} cost?"


def _sums(chance: random.Random) -> str:
    a, b, c = (chance.randint(10, 99_999) for _ in range(3))
    return (
        f"A shop sells {a} apples for {b}.{chance.randint(10, 99)} dollars and buys {c} more. "
        f"Compute {a} * {b} - {c} and round to 2 digits."
    )


def _table(chance: random.Random) -> str:
    rows = "\n".join(
        f"{_date(chance)},{chance.choice(_WORDS)},{chance.randint(1, 9999)},{chance.random():.4f},{_digits(chance, 6)}"
        for _ in range(chance.randint(3, 12))
    )
    return f"Which row has the highest value?\ndate,item,count,score,code\n{rows}"


def _numbers(chance: random.Random) -> str:
    return "Sort these: " + ", ".join(str(chance.randint(0, 10 ** chance.randint(1, 7))) for _ in range(chance.randint(5, 30)))


def _place(chance: random.Random) -> str:
    return f"What is at {chance.uniform(-90, 90):.6f}, {chance.uniform(-180, 180):.6f}, and how far is it from {chance.choice(_CITIES)}?"


def _version(chance: random.Random) -> str:
    number = ".".join(str(chance.randint(0, 20)) for _ in range(3))
    return (
        f"After the update from {number} to {chance.randint(1, 9)}.{chance.randint(0, 9)}.0-rc{chance.randint(1, 4)} "
        f"build {_digits(chance, 5)} fails on CUDA 12.4."
    )


def _health(chance: random.Random) -> str:
    return chance.choice(
        (
            "What are the early symptoms of diabetes, and how is it diagnosed?",
            "Explain how insulin works to a ten year old.",
            "How many milligrams of vitamin C are in an orange?",
            "Compare the side effects of ibuprofen and paracetamol.",
            "Which hospitals in the region have a cardiology department?",
            "Write a poem about a nurse on a night shift.",
            "What does the ICD stand for, and who maintains it?",
            "Is asthma more common in cities?",
            "Draft a policy on how patients may ask for their records.",
            "What is the normal range of blood pressure for adults over 60?",
        )
    )


def _money(chance: random.Random) -> str:
    return chance.choice(
        (
            f"What would a loan of {chance.randint(5, 500)},000 EUR cost at {chance.uniform(1, 9):.2f} % for ten years?",
            "How do I open a savings account as a student?",
            "My card was declined at the supermarket, what can be the reason?",
            "What does an IBAN look like and which countries use it?",
            "Explain the difference between a debit card and a credit card.",
            f"Revenue grew from {chance.uniform(100, 900):.1f} to {chance.uniform(900, 2000):.1f} million in Q{chance.randint(1, 4)}.",
            "When will my new card arrive? I ordered it last week.",
            f"Transfer limit is {chance.randint(1, 50)},000 per day, can I raise it?",
        )
    )


def _security(chance: random.Random) -> str:
    return chance.choice(
        (
            "How do I rotate an API key without downtime?",
            "My password is not accepted any more, how do I reset it?",
            "What is the difference between a token and a secret?",
            "Should a password be longer or more complex?",
            "Set the token to the value from the vault and restart the service.",
            "Where do I find my client secret in the console?",
            "Explain how a JWT is signed and what the header holds.",
            "The passphrase was forgotten; is the private key lost?",
            "Our policy says that a password is changed every 90 days. Is that wise?",
            "Write a regular expression for e-mail addresses.",
        )
    )


def _prose(chance: random.Random) -> str:
    return chance.choice(
        (
            "Fasse den folgenden Text in drei Sätzen zusammen: Die Sitzung begann um 9 Uhr, und über 14 Punkte wurde beraten.",
            "Quelle est la capitale de l'Australie, et combien d'habitants a-t-elle en 2024 ?",
            "¿Cuántos kilómetros hay entre Madrid y Lisboa y cuánto cuesta el tren?",
            "Переведите на английский: поезд отправляется в 17:45 с платформы 3.",
            "用三句话解释什么是量子计算。",
            "東京から京都まで新幹線で何分かかりますか？",
            "Write a haiku about the sea 🌊 and one about the mountains 🏔️👩‍👩‍👧",
            "Who wrote Faust, and when did Albert Einstein move to Princeton?",
            "Plan a week in Rome in May: museums, food, two day trips, nothing before 10:00.",
            "Rewrite in plain English: the aforementioned party shall hereinafter be referred to as the lessee (see section 12.4.1).",
            "Was ist der Unterschied zwischen „dass“ und „das“? Gib 5 Beispiele – bitte kurz.",
            "اكتب قصيدة قصيرة عن الصحراء.",
        )
    ) + chance.choice(("", f" (max {chance.randint(20, 300)} words)", f" Give {chance.randint(2, 9)} examples."))


def _identifier(chance: random.Random) -> str:
    value = chance.choice(
        (
            str(uuid.UUID(int=chance.getrandbits(128))),
            f"arn:aws:s3:::bucket-{_digits(chance, 4)}/path/to/object.json",
            f"https://docs.example.com/v{chance.randint(1, 4)}/reference/create-item?sort=desc&ref={_digits(chance, 7)}",
            f"sha256:{''.join(chance.choices('0123456789abcdef', k=64))}",
            f"JIRA-{_digits(chance, 4)}",
            f"case {_digits(chance, 10)}",
            f"SN{_digits(chance, 10)}",
            f"invoice {_digits(chance, 4)}/{_digits(chance, 5)}",
        )
    )
    return f"What do I do with {value} in the migration?"


_WORDS = [
    "apple",
    "river",
    "stone",
    "window",
    "garden",
    "letter",
    "table",
    "cloud",
    "silver",
    "morning",
    "paper",
    "engine",
    "forest",
    "bridge",
    "candle",
    "market",
    "winter",
    "signal",
    "ribbon",
    "harbor",
    "planet",
    "anchor",
    "basket",
    "copper",
    "dinner",
]
_CITIES = ("Oslo", "Lima", "Cairo", "Perth", "Osaka", "Quito", "Porto", "Delhi")

_KINDS: Mapping[str, Callable[[random.Random], str]] = {
    "order": _order,
    "tracking": _tracking,
    "log": _log,
    "code": _code,
    "hash": _hash,
    "binary": _binary,
    "encoded words": _words_encoded,
    "product": _product,
    "sums": _sums,
    "table": _table,
    "numbers": _numbers,
    "place": _place,
    "version": _version,
    "health question": _health,
    "money question": _money,
    "security question": _security,
    "prose": _prose,
    "identifier": _identifier,
}


def harmless(chance: random.Random) -> tuple[str, str]:
    """A kind of harmless text, and one of that kind."""
    kind = chance.choice(tuple(_KINDS))
    return kind, _KINDS[kind](chance)
