"""Counting votes: which of several answers wins, and how many more voices could still change that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_WHOLE = 1_000_000  # what the voice of a model weighs that is always right


@dataclass(frozen=True, slots=True)
class Voice:
    """One model's answer, or, where it has not been asked yet, what its answer would weigh."""

    place: int  #: in the order of asking
    says: str = ""  #: equal texts mean the same answer
    weight: int = 1
    quality: float = 0.0  #: expected of its model

    @classmethod
    def expected(cls, place: int, quality: float, *, weighed: bool) -> Voice:
        """Of a model that has not been asked yet; `weighed`: it counts as much as is expected of it."""
        return cls(place, weight=max(1, round(quality * _WHOLE)) if weighed else 1, quality=quality)


@dataclass(frozen=True, slots=True)
class Party:
    """Voices that say the same."""

    voices: tuple[Voice, ...]

    @property
    def places(self) -> frozenset[int]:
        """Of all its voices."""
        return frozenset(voice.place for voice in self.voices)

    @property
    def weight(self) -> int:
        """Of all its voices together."""
        return sum(voice.weight for voice in self.voices)

    @property
    def rank(self) -> tuple[int, float, int]:
        """The highest wins: by weight, then the best expected of its models, then who was asked first."""
        return self.weight, max(voice.quality for voice in self.voices), -min(voice.place for voice in self.voices)


def parties(voices: Sequence[Voice]) -> tuple[Party, ...]:
    """Who says the same as whom, the winner first.

    >>> [party.voices[0].says for party in parties([Voice(0, "7"), Voice(1, "8"), Voice(2, "8")])]
    ['8', '7']
    """
    together: dict[str, list[Voice]] = {}
    for voice in voices:
        together.setdefault(voice.says, []).append(voice)
    return tuple(sorted((Party(tuple(each)) for each in together.values()), key=lambda party: party.rank, reverse=True))


def share(party: Party, voices: Sequence[Voice]) -> float:
    """The part of the votes that is the party's."""
    return party.weight / sum(voice.weight for voice in voices)


def needed(voices: Sequence[Voice], left: Sequence[Voice], agree: float = 0.0) -> int:
    """How many of `left` must be asked, in their order, before the winner and whether it reaches the share `agree` can be certain.

    >>> three = [Voice(0), Voice(1), Voice(2)]
    >>> needed([], three), needed([Voice(0, "7"), Voice(1, "7")], three[2:]), needed([Voice(0, "7"), Voice(1, "8")], three[2:])
    (2, 0, 1)
    """
    winner = parties(voices)[0].voices[0].says if voices else ""
    for count in range(len(left)):
        joined = [Voice(voice.place, winner, voice.weight, voice.quality) for voice in left[:count]]
        if _certain([*voices, *joined], left[count:], agree):
            return count
    return len(left)


def _certain(voices: Sequence[Voice], left: Sequence[Voice], agree: float) -> bool:
    """Whether nothing that `left` can say, or fail to say, changes the outcome."""
    if not voices:
        return False
    first, *others = parties(voices)
    if any(Party((*other.voices, *left)).rank > first.rank for other in (*others, Party(()))):
        return False
    further = sum(voice.weight for voice in left)
    cast = sum(voice.weight for voice in voices)
    # At worst all of them speak against the winner, at best all for it; one that fails changes the share by less than either.
    return first.weight / (cast + further) >= agree or (first.weight + further) / (cast + further) < agree
