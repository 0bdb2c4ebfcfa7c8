"""Made-up requests with and without sensitive data, from a seed: to measure detectors on, and to try a configuration with.

Every value is invented here, with the check digits that such values have, and none of this knows how the detectors work.
"""

from __future__ import annotations

import base64
import codecs
import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from pointsman.testing.harmless_texts import harmless
from pointsman.testing.sensitive_values import VALUES, secret

Body = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Sample:
    """A request, and what it holds."""

    body: Body = field(repr=False)
    type: str = "none"  #: of identifier, a key of `VALUES`; or `none`
    kind: str = ""  #: label that it should raise; empty: none
    way: str = "plain"  #: how the value is written, a key of `WAYS`
    group: str = "benign"  #: `plain`, `normalisable`, `encoded`, `beyond` what is promised, or `benign`
    value: str = field(default="", repr=False)
    written: str = field(default="", repr=False)  #: the value, or of a longer one what nobody may see, as it stands in the body


_SENTENCES = (
    "Please process {} today.",
    "Here it is: {}",
    "Can you check whether {} is still valid?",
    "I think {} was entered twice in our system, please look into it.",
    'Summarise the ticket. The customer wrote: "it\'s {}, as I told your colleague". Answer in two lines.',
    "{}",
    "The record says {} and nothing else.",
)
_OTHER_LANGUAGES = (
    "Bitte prüfen Sie {} bis morgen, danke schön.",
    "Veuillez vérifier {} avant ce soir, s'il vous plaît.",
    "Por favor, revise {} antes de mañana.",
    "Пожалуйста, проверьте {} до завтра.",
    "请在今天之内检查 {} 这一条。",
    "{} を今日中に確認してください。",
    "يرجى التحقق من {} اليوم.",
    "Proszę sprawdzić {} jeszcze dziś.",
)

_SPELT = dict(
    zip("0123456789@.", ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "at", "dot"], strict=True)
)
_LOOKALIKES = str.maketrans("ABEKMHOPCTXaeopcyxsij03", "АВЕКМНОРСТХаеорсухѕіјОЗ")
_GREEK = str.maketrans("ABEZHIKMNOPTYXov", "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧον")
_UNSEEN = ("\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad")


def _between(value: str, fill: Callable[[], str]) -> str:
    return "".join(character + fill() for character in value[:-1]) + value[-1]


def _homoglyphs(value: str, chance: random.Random) -> str:
    changed = value.translate(chance.choice((_LOOKALIKES, _GREEK)))
    if changed != value:
        return changed
    zero = chance.choice((0x1D7CE, 0x1D7EC, 0x0660, 0x0966))
    return "".join(chr(zero + int(c)) if c.isdigit() else c for c in value)


def _user(text: str) -> Body:
    return {"model": "auto", "messages": [{"role": "system", "content": "You are a helpful assistant."}, {"role": "user", "content": text}]}


def _said(value: str, chance: random.Random) -> Body:
    return _user(chance.choice(_SENTENCES).format(value))


def _in_arguments(value: str, chance: random.Random) -> Body:
    arguments = json.dumps({"query": "lookup", "options": {"reference": value, "limit": chance.randint(1, 50)}})
    call = {"id": "call_1", "type": "function", "function": {"name": "search", "arguments": arguments}}
    return {"messages": [{"role": "user", "content": "Find it."}, {"role": "assistant", "content": None, "tool_calls": [call]}]}


def _in_result(value: str, chance: random.Random) -> Body:
    result = json.dumps({"rows": [{"id": chance.randint(1, 99), "data": value, "state": "open"}]})
    return {"messages": [{"role": "user", "content": "And?"}, {"role": "tool", "tool_call_id": "call_1", "content": result}]}


def _in_structure(value: str, chance: random.Random) -> Body:
    use = {
        "type": "tool_use",
        "id": "t1",
        "name": "store",
        "input": {"items": [{"key": "reference", "entry": value}], "n": chance.randint(1, 9)},
    }
    return {"system": "Be brief.", "messages": [{"role": "user", "content": "Store."}, {"role": "assistant", "content": [use]}]}


def _in_code(value: str, chance: random.Random) -> Body:
    name = chance.choice(("record", "item", "entry", "row"))
    return _user(f"Why does this fail?\n```python\n{name} = load()\nassert {name}.ref == '{value}', 'no match'\nprint({name})\n```")


def _in_system(value: str, chance: random.Random) -> Body:
    return {"messages": [{"role": "system", "content": chance.choice(_SENTENCES).format(value)}, {"role": "user", "content": "Hello"}]}


def _in_responses(value: str, chance: random.Random) -> Body:
    return {
        "instructions": "Be brief.",
        "input": [{"role": "user", "content": [{"type": "input_text", "text": chance.choice(_SENTENCES).format(value)}]}],
    }


def _split(value: str, chance: random.Random) -> Body:
    at = chance.randint(len(value) // 3, 2 * len(value) // 3)
    head, tail = value[:at], value[at:]
    turns = [
        ("user", f"I will give it to you in two parts, first {head}"),
        ("assistant", "Go on."),
        ("user", f"{tail} is the rest. Check it."),
    ]
    return {"messages": [{"role": role, "content": content} for role, content in turns]}


def _split_in_three(value: str, chance: random.Random) -> Body:
    third = len(value) // 3
    parts = [value[:third], value[third : 2 * third], value[2 * third :]]
    turns = [turn for part in parts for turn in (("user", part), ("assistant", chance.choice(("Yes?", "Go on."))))]
    return {"messages": [{"role": role, "content": content} for role, content in turns]}


def _four_times(value: str) -> str:
    data = value.encode()
    for _ in range(4):
        data = base64.b64encode(data)
    return data.decode()


def _data_url(value: str, chance: random.Random) -> Body:
    kind = chance.choice(("text/plain", "text/csv", "application/json"))
    data = base64.b64encode(f"id,reference\n1,{value}\n".encode()).decode()
    part = {"type": "image_url", "image_url": {"url": f"data:{kind};base64,{data}"}}
    if chance.random() < 0.5:
        part = {"type": "file", "file": {"filename": "a.csv", "file_data": f"data:{kind};base64,{data}"}}
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": "Read the file."}, part]}]}


def _as_it_is(value: str, chance: random.Random) -> str:
    return value


@dataclass(frozen=True, slots=True)
class Way:
    """How a value is written, where it is put, and what it takes to find it."""

    group: str
    put: Callable[[str, random.Random], Body] = _said
    write: Callable[[str, random.Random], str] = _as_it_is
    gap: str | None = ""  #: between parts of a value, which are written one by one; none: they are one run

    def written(self, value: str, part: tuple[int, int], chance: random.Random) -> tuple[str, str]:
        """The value as it is written, and its part."""
        start, end = part
        if self.gap is None or end - start == len(value):
            text = self.write(value, chance)
            return text, text
        head, inner, tail = (self.write(one, chance) for one in (value[:start], value[start:end], value[end:]))
        return self.gap.join((head, inner, tail)), inner


def _encoded(group: str, encode: Callable[[str], str]) -> Way:
    return Way(group, write=lambda value, chance: encode(value), gap=None)


def _disguised(disguise: Callable[[str, random.Random], str], gap: str = "") -> Way:
    return Way("normalisable", write=disguise, gap=gap)


WAYS: Mapping[str, Way] = {
    "sentence": Way("plain", _said),
    "system prompt": Way("plain", _in_system),
    "other language": Way("plain", lambda value, chance: _user(chance.choice(_OTHER_LANGUAGES).format(value))),
    "tool arguments": Way("plain", _in_arguments),
    "tool result": Way("plain", _in_result),
    "JSON": Way("plain", _in_structure),
    "code": Way("plain", _in_code),
    "responses": Way("plain", _in_responses),
    "spaced": _disguised(lambda value, chance: _between(value.replace(" ", ""), lambda: " "), " "),
    "full width": _disguised(
        lambda value, chance: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in value),
    ),
    "zero width": _disguised(lambda value, chance: _between(value, lambda: chance.choice(("", *_UNSEEN)))),
    "homoglyphs": _disguised(_homoglyphs),
    "tag characters": _disguised(lambda value, chance: _between(value, lambda: chr(chance.randint(0xE0020, 0xE007E)))),
    "variation selectors": _disguised(lambda value, chance: _between(value, lambda: chr(chance.randint(0xFE00, 0xFE0F)))),
    "split over turns": Way("normalisable", _split),
    "base64": _encoded("encoded", lambda value: base64.b64encode(value.encode()).decode()),
    "base64url": _encoded("encoded", lambda value: base64.urlsafe_b64encode(value.encode()).decode().rstrip("=")),
    "base64 twice": _encoded("encoded", lambda value: base64.b64encode(base64.b64encode(value.encode())).decode()),
    "hex": _encoded("encoded", lambda value: value.encode().hex()),
    "percent": _encoded("encoded", lambda value: "".join(f"%{byte:02X}" for byte in value.encode())),
    "HTML entities": _encoded("encoded", lambda value: "".join(f"&#{ord(c)};" for c in value)),
    "JSON escapes": _encoded("encoded", lambda value: "".join(f"\\u{ord(c):04x}" for c in value)),
    "data URL": Way("encoded", _data_url),
    "hex in base64": _encoded("encoded", lambda value: base64.b64encode(value.encode().hex().encode()).decode()),
    "full width in percent": _encoded(
        "encoded", lambda value: quote("".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in value))
    ),
    "hidden in tags": _encoded("encoded", lambda value: "".join(chr(0xE0000 + ord(c)) for c in value)),
    "hidden in selectors": _encoded("encoded", lambda value: "".join(chr(0xE0100 + byte - 16) for byte in value.encode())),
    "split in three": Way("beyond", _split_in_three),
    "spelt out": _encoded("beyond", lambda value: " ".join(_SPELT.get(c, c) for c in value)),
    "reversed": _encoded("beyond", lambda value: value[::-1]),
    "ROT13": _encoded("beyond", lambda value: codecs.encode(value, "rot13")),
    "base32": _encoded("beyond", lambda value: base64.b32encode(value.encode()).decode()),
    "base64 four times": _encoded("beyond", _four_times),
}
"""How a value is written, and what it takes to find it."""


def sensitive(count: int, seed: int = 0) -> Iterator[Sample]:
    """Requests with one sensitive value each, every type in every way in turn."""
    chance = random.Random(seed)  # noqa: S311
    pairs = [(name, way) for way in WAYS for name in VALUES]
    for index in range(count):
        name, way = pairs[index % len(pairs)]
        kind, make = VALUES[name]
        value = make(chance)
        text, written = WAYS[way].written(value, secret(name, value), chance)
        yield Sample(WAYS[way].put(text, chance), name, kind, way, WAYS[way].group, value, written)


def benign(count: int, seed: int = 0) -> Iterator[Sample]:
    """Requests without sensitive data, full of what looks like it."""
    chance = random.Random(seed)  # noqa: S311
    for _ in range(count):
        way, text = harmless(chance)
        yield Sample(_user(text), way=way)
