"""Noise: the same request in other letters, and prefixes that say nothing, to see whether a choice depends on what it should not.

```python
import random
from pointsman.signals.noise import NOISES, flips

flips(lambda texts: ["strong" if len(text) > 40 else "weak" for text in texts], ["What is 2 + 2?"], NOISES["typos"], seed=7)
```

Pure: what is random comes from the seed.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Noise = Callable[[str, random.Random], str]
Choose = Callable[[Sequence[str]], Sequence[str]]  # texts -> what is chosen for each

TYPO_SHARE = 0.08  #: of the words
SYNONYM_SHARE = 0.5  #: of the words that have one here

_WORD = re.compile(r"[A-Za-z]{4,}")
_ANY_WORD = re.compile(r"[A-Za-z']+")
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEXT_TO = {row[at]: row[max(0, at - 1) : at] + row[at + 1 : at + 2] for row in _KEYBOARD for at in range(len(row))}

_SAME = (
    ("calculate", "compute"),
    ("find", "determine"),
    ("explain", "describe"),
    ("big", "large"),
    ("small", "little"),
    ("begin", "start"),
    ("buy", "purchase"),
    ("get", "obtain"),
    ("show", "display"),
    ("make", "create"),
    ("help", "assist"),
    ("need", "require"),
    ("quick", "fast"),
    ("often", "frequently"),
    ("answer", "reply"),
    ("choose", "select"),
    ("correct", "right"),
    ("total", "sum"),
    ("each", "every"),
    ("also", "too"),
    ("about", "regarding"),
    ("many", "numerous"),
    ("error", "mistake"),
    ("job", "task"),
    ("car", "vehicle"),
    ("money", "cash"),
    ("picture", "image"),
    ("house", "home"),
    ("following", "below"),
    ("approximately", "roughly"),
)
_SYNONYM = {a: b for pair in _SAME for a, b in (pair, pair[::-1])}
_OPENINGS = ("Please help me with this. ", "I have a question. ", "Hi! ", "Could you look at this? ", "One more thing: ")
_CLOSINGS = (" Thanks!", " Thank you in advance.", " Let me know.", "")

# What people have found to move routers, besides random words.
GADGETS = (
    "complex reasoning step by step proof theorem",
    "urgent critical expert analysis required",
    "simple easy trivial question yes or no",
    "advanced mathematics olympiad problem",
    "write optimized production code with tests",
    "think carefully, this is very difficult",
)


def shouted(text: str, _: random.Random) -> str:
    """In capitals."""
    return text.upper()


def lowered(text: str, _: random.Random) -> str:
    """Without capitals."""
    return text.lower()


def mixed_case(text: str, chance: random.Random) -> str:
    """Each letter in either case."""
    return "".join(character.upper() if chance.random() < 0.5 else character.lower() for character in text)


def spaced(text: str, chance: random.Random) -> str:
    """More spaces and line breaks, between words and around the text."""
    return "  " + "".join(f"{c}{chance.choice((' ', '', '', chr(10)))}" if c == " " else c for c in text) + "\n\n"


def typos(text: str, chance: random.Random) -> str:
    """In some words of four letters and more, two letters change places, one is doubled, missing, or its neighbour on the keyboard.

    >>> typos("nothing", random.Random(1)), TYPO_SHARE
    ('nothing', 0.08)
    """
    return _WORD.sub(lambda word: _mistyped(word[0], chance) if chance.random() < TYPO_SHARE else word[0], text)


def synonyms(text: str, chance: random.Random) -> str:
    """Some words replaced by others that mean the same.

    >>> synonyms("Find the total", random.Random(4))
    'Determine the sum'
    """
    return _ANY_WORD.sub(lambda word: _replaced(word[0], chance), text)


def reworded(text: str, chance: random.Random) -> str:
    """Synonyms, a polite opening and closing, and the first sentence of several last."""
    sentences = _SENTENCE.split(synonyms(text, chance))
    if len(sentences) > 2 and chance.random() < 0.5:
        sentences = [*sentences[1:], sentences[0]]
    return chance.choice(_OPENINGS) + " ".join(sentences) + chance.choice(_CLOSINGS)


NOISES: Mapping[str, Noise] = {
    "capitals": shouted,
    "lower case": lowered,
    "mixed case": mixed_case,
    "spacing": spaced,
    "typos": typos,
    "synonyms": synonyms,
    "paraphrase": reworded,
}


def flipped(choose: Choose, texts: Sequence[str], noise: Noise, seed: int) -> list[bool]:
    """Of each text, whether noise changes what is chosen for it."""
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    before, after = choose(texts), choose([noise(text, chance) for text in texts])
    return [a != b for a, b in zip(before, after, strict=True)]


def flips(choose: Choose, texts: Sequence[str], noise: Noise, seed: int) -> float:
    """Share of the texts for which noise changes what is chosen, 0 to 1."""
    return sum(flipped(choose, texts, noise, seed)) / max(1, len(texts))


@dataclass(frozen=True, slots=True)
class Prefix:
    """A prefix, and the share of texts that it sends to where someone wants them."""

    text: str
    share: float


def worst_prefix(
    share: Callable[[Sequence[str]], float], texts: Sequence[str], words: Sequence[str], seed: int, tries: int = 1_000, most_words: int = 12
) -> tuple[float, Prefix]:
    """The share without a prefix, and the prefix with the largest share among `tries`: gadgets, random words, then changes of the best.

    Half of the tries are random; the other half change one word of the best so far.
    """
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    best = Prefix("", share(texts))
    plain = best.share
    for turn in range(tries):
        if turn < len(GADGETS):
            candidate = GADGETS[turn]
        elif turn < tries // 2 or not best.text:
            candidate = " ".join(chance.choices(words, k=chance.randint(1, most_words)))
        else:
            changed = best.text.split()
            changed[chance.randrange(len(changed))] = chance.choice(words)
            candidate = " ".join(changed)
        found = Prefix(candidate, share([f"{candidate} {text}" for text in texts]))
        best = max(best, found, key=lambda prefix: prefix.share)
    return plain, best


def greedy_prefix(
    share: Callable[[Sequence[str]], float], texts: Sequence[str], words: Sequence[str], seed: int, tries: int = 1_000, most_words: int = 12
) -> Prefix:
    """The prefix built word by word: at each place the word with the largest share among as many as `tries` allows."""
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    built = best = Prefix("", share(texts))
    for _ in range(most_words):
        candidates = [f"{built.text} {word}".strip() for word in chance.choices(words, k=max(1, tries // most_words))]
        found = [Prefix(candidate, share([f"{candidate} {text}" for text in texts])) for candidate in candidates]
        built = max(found, key=lambda prefix: prefix.share)
        best = max(best, built, key=lambda prefix: prefix.share)
    return best


def _mistyped(word: str, chance: random.Random) -> str:
    at = chance.randrange(1, len(word) - 1)
    kind = chance.randrange(4)
    if kind == 0:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if kind == 1:
        return word[:at] + word[at + 1 :]
    if kind == 2:
        return word[:at] + word[at] + word[at:]
    return word[:at] + chance.choice(_NEXT_TO.get(word[at].lower(), "e") or "e") + word[at + 1 :]


def _replaced(word: str, chance: random.Random) -> str:
    other = _SYNONYM.get(word.lower())
    if other is None or chance.random() >= SYNONYM_SHARE:
        return word
    return other.capitalize() if word[0].isupper() else other
