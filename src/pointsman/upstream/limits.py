"""Limits of ours on what goes out: an upstream's rate limits, kept before they are hit, and a budget for retries.

**Rates** are leaky buckets, the continuous-state form of the generic cell rate algorithm (ITU-T I.371): a call of n units
fits if `level + n <= size`; the level falls by `limit / 60` a second. In any minute go out

- requests: at most the limit and a sixth of it. Ten seconds' worth may come at once, the rest is spread; also inside an upstream that
  counts by shorter pieces of a minute than it says.
- tokens: at most twice the limit, in the minute after a pause; the limit thereafter. A single call may need most of a minute's tokens, so
  a whole minute's worth may come at once: that is the bucket that OpenAI and Anthropic document for themselves.

What a call may use is held from `reserve` to `settle`; what it did use goes into the bucket then. So what is held never leaks away
while the call runs, and nothing that was given back is given twice.

**Retries** are a share of the calls of the last minute, and a few more: a dead upstream gets hardly more calls than a living one
(Google, Site Reliability Engineering, chapter 21).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final

BUSY_S: Final = 1.0  #: the wait that is named where all places are taken: when one will be free is not known

_SHARE_AT_ONCE: Final = 1 / 6  # of a minute's requests
_SLACK: Final = 1e-6  # units: rounding must not refuse who has waited as long as he was told
_PIECES: Final = 60  # a window is counted in this many pieces


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """What an upstream allows for one model; `None`: it does not say."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent: int | None = None


class Limits:
    """Room for calls, for each model with limits. `clock` is monotonic, in seconds.

    Every `reserve` that returned 0.0 is followed by one `settle` and one `done`, however the call ended.
    """

    def __init__(self, settings: Mapping[str, LimitSettings], clock: Callable[[], float]) -> None:
        self._clock = clock
        self._settings = settings
        self._models = {model: _Model.of(limits, clock()) for model, limits in settings.items()}

    def changed(self, settings: Mapping[str, LimitSettings]) -> Limits:
        """With other settings. Models whose own are the same share what is taken: calls that began earlier give it back to both."""
        found = Limits(settings, self._clock)
        found._models |= {model: self._models[model] for model, limits in settings.items() if self._settings.get(model) == limits}
        return found

    def reserve(self, model: str, tokens: int) -> float:
        """0.0: there is room, and it is taken. Else the seconds after which to ask again, and nothing is taken.

        `tokens`: the most that the call may use, read and written. More than a minute's allowance counts as one, so that it can pass.
        """
        limited = self._models.get(model)
        return 0.0 if limited is None else limited.reserve(self._clock(), tokens)

    def settle(self, model: str, reserved_tokens: int, used_tokens: int) -> None:
        """The call ended and used so many tokens: what it reserved beyond that is free again."""
        if (limited := self._models.get(model)) is not None and limited.tokens is not None:
            limited.tokens.give_back(reserved_tokens)
            limited.tokens.fill(self._clock(), max(0, used_tokens))

    def done(self, model: str) -> None:
        """The call ended: its place is free again."""
        if (limited := self._models.get(model)) is not None:
            limited.running = max(0, limited.running - 1)


@dataclass(slots=True)
class _Bucket:
    per_s: float
    size: float
    at_s: float  # when `level` was right
    level: float = 0.0
    held: float = 0.0  # by calls that run

    def wait_s(self, now_s: float, amount: float) -> float:
        """How long until `amount` fits; an estimate where it waits for calls that run."""
        self._leak(now_s)
        over = self.level + self.held + self._at_most_full(amount) - self.size
        return 0.0 if over <= _SLACK else over / self.per_s

    def hold(self, amount: float) -> None:
        self.held += self._at_most_full(amount)

    def give_back(self, amount: float) -> None:
        self.held = max(0.0, self.held - self._at_most_full(amount))

    def fill(self, now_s: float, amount: float) -> None:
        self._leak(now_s)
        self.level += amount

    def _leak(self, now_s: float) -> None:
        if now_s > self.at_s:
            self.level = max(0.0, self.level - (now_s - self.at_s) * self.per_s)
            self.at_s = now_s

    def _at_most_full(self, amount: float) -> float:
        return min(max(0.0, amount), self.size)


@dataclass(slots=True)
class _Model:
    requests: _Bucket | None
    tokens: _Bucket | None
    concurrent: int | None
    running: int = 0

    @classmethod
    def of(cls, limits: LimitSettings, now_s: float) -> _Model:
        requests, tokens = limits.requests_per_minute, limits.tokens_per_minute
        return cls(
            None if requests is None else _Bucket(requests / 60, max(1.0, requests * _SHARE_AT_ONCE), now_s),
            None if tokens is None else _Bucket(tokens / 60, float(tokens), now_s),
            limits.concurrent,
        )

    def reserve(self, now_s: float, tokens: int) -> float:
        busy_s = BUSY_S if self.concurrent is not None and self.running >= self.concurrent else 0.0
        requests_s = 0.0 if self.requests is None else self.requests.wait_s(now_s, 1)
        tokens_s = 0.0 if self.tokens is None else self.tokens.wait_s(now_s, tokens)
        if (wait_s := max(busy_s, requests_s, tokens_s)) > 0:
            return wait_s
        self.running += 1
        if self.requests is not None:
            self.requests.fill(now_s, 1)
        if self.tokens is not None:
            self.tokens.hold(tokens)
        return 0.0


class RetryBudget:
    """How many retries an upstream may get: `floor`, and `share` of the calls, within the last `window_s`.

    Calls are first attempts; a retry that `take` allows is not announced to `called`.
    """

    def __init__(self, clock: Callable[[], float], *, share: float = 0.1, floor: int = 10, window_s: float = 60.0) -> None:
        self._clock = clock
        self._share = share
        self._floor = floor
        self._piece_s = window_s / _PIECES
        self._models: dict[str, deque[_Piece]] = {}

    def kept(self, models: Iterable[str]) -> RetryBudget:
        """The same counts of these models, and nothing of any other."""
        kept = RetryBudget(self._clock, share=self._share, floor=self._floor, window_s=self._piece_s * _PIECES)
        kept._models = {model: self._models.setdefault(model, deque()) for model in models}
        return kept

    def called(self, model: str) -> None:
        """A request is sent to it for the first time."""
        self._now(model).calls += 1

    def take(self, model: str) -> bool:
        """Whether it may be asked again; if so, that retry is counted."""
        now = self._now(model)
        pieces = self._models[model]
        # The first piece has partly left the window: its retries still count, its calls do not.
        whole = islice(pieces, 1, None) if now.number - pieces[0].number == _PIECES else pieces
        if sum(piece.retries for piece in pieces) + 1 > self._floor + self._share * sum(piece.calls for piece in whole):
            return False
        now.retries += 1
        return True

    def _now(self, model: str) -> _Piece:
        if (pieces := self._models.get(model)) is None:
            pieces = self._models[model] = deque()
        number = int(self._clock() // self._piece_s)
        while pieces and pieces[0].number < number - _PIECES:
            pieces.popleft()
        if not pieces or pieces[-1].number < number:
            pieces.append(_Piece(number))
        return pieces[-1]


@dataclass(slots=True)
class _Piece:
    number: int
    calls: int = 0
    retries: int = 0
