"""Ask one model, and ask it again where that may help."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from random import Random

from pointsman.core.fault import RETRIED
from pointsman.core.plan import Execution
from pointsman.plans.steps import Call, Reached, Sent, Step, Wait, Waited


@dataclass(frozen=True, slots=True)
class Patience:
    """How long and how often to try, and how waits are drawn."""

    execution: Execution
    seed: int

    def spent(self, failures: list[Reached]) -> bool:
        """Whether nothing more may be called for this request."""
        return len(failures) >= self.execution.most_calls or (bool(failures) and failures[-1].at_s >= self.execution.deadline_s)

    def wait_s(self, count: int, reached: Reached, *, others: bool) -> float | None:
        """Seconds to wait after the n-th failure of one model; `None`: asking it again makes no sense, or would come too late.

        What the upstream says is taken at its word, and a part of the usual wait added, so that not all come back at the same moment. With
        others left to ask, a model that wants to be left alone for longer than the first usual wait is left alone.
        """
        retry = self.execution.retry
        if reached.fault not in RETRIED or count >= retry.attempts:
            return None
        # The models' failures apart from each other, and each wait from the one before; seeding takes longer than a decision's score.
        random = Random(f"{self.seed}:{reached.model}:{count}")  # noqa: S311  waits, not secrets
        wait_s = random.uniform(0, min(retry.longest_s, retry.base_s * 2 ** (count - 1)))
        if reached.retry_after_s is not None:
            if others and reached.retry_after_s > retry.base_s:
                return None
            wait_s = reached.retry_after_s + wait_s / 4
        return wait_s if reached.at_s + wait_s < self.execution.deadline_s else None


def retry(call: Call, patience: Patience, failures: list[Reached], *, others: bool) -> Generator[Step, Sent, Reached]:
    """What the last call reached; failures are added to `failures`."""
    count = 0
    while True:
        reached = yield call
        assert isinstance(reached, Reached)
        if reached.ok:
            return reached
        failures.append(reached)
        count += 1
        wait_s = None if patience.spent(failures) else patience.wait_s(count, reached, others=others)
        if wait_s is None:
            return reached
        waited = yield Wait(call.model, wait_s)
        assert isinstance(waited, Waited)
        if not waited.granted:
            return reached
