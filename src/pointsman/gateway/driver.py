"""Carries a plan out: what it yields is done, what came of it is sent back, until there is something to deliver."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Sequence, Set
from dataclasses import replace

import msgspec

from pointsman.core.answer import Answer, Course, Weighed
from pointsman.core.decision import Decision
from pointsman.core.fault import NOT_CALLED, Fault
from pointsman.core.outcome import Outcome
from pointsman.core.plan import LOOKING, Execution
from pointsman.core.request import Request
from pointsman.core.review import Proposal
from pointsman.errors import Failure, OverBudget, PointsmanError, RateLimited, RequestError, UpstreamError, UpstreamRefused
from pointsman.gateway.attempt import Attempt, reserved_tokens
from pointsman.gateway.clock import Clock
from pointsman.gateway.codes import code_of
from pointsman.gateway.judging import judge_of, outlook_of
from pointsman.gateway.live import Live
from pointsman.gateway.masking import CANNOT_MASK, Masker
from pointsman.gateway.purse import Held, Purse
from pointsman.gateway.quoting import refuse_news, refuse_parts
from pointsman.gateway.reviewing import Reviewing, Spoken
from pointsman.gateway.reviews import proposals
from pointsman.gateway.varied import varied
from pointsman.plans.start import start
from pointsman.plans.steps import All, Call, Deliver, Fail, First, Reached, Sent, Step, Steps, Wait, Waited
from pointsman.stores.log import DecisionLog
from pointsman.upstream.client import Letter
from pointsman.upstream.health import Ticket

_DAY_S = 86_400.0


_log = logging.getLogger("pointsman.reviews")


class Driver:
    """One request's calls. Owns them until one is delivered; in `clocks` are those that wait, for who has to interrupt them."""

    def __init__(
        self,
        decision: Decision,
        execution: Execution,
        live: Live,
        log: DecisionLog,
        clocks: set[Clock],
        sealed_with: str | None = None,
    ) -> None:
        """`sealed_with`: the content key that the request's words were sealed with already, if with any."""
        self._decision, self._execution, self._live, self._log, self._clocks = decision, execution, live, log, clocks
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._attempts: dict[int, Attempt] = {}  #: those that reached something, by number
        self._ended: list[Attempt] = []  #: calls that came to an end, or at least to something that may be delivered
        self._made = 0
        self._called: set[str] = set()
        self._failures: list[tuple[str, UpstreamError, int]] = []
        self._purse = None if live.till is None else live.till.purse(decision)
        self._masker = None if live.world.mask is None else Masker(decision.request, live.world.mask)
        self._superseded = False
        self._course: tuple[Weighed, ...] = ()
        self.reviewing = Reviewing(decision, execution.review, live.reviews, clocks, live.world.signals.search, sealed_with)
        self._limited = ""  #: the model for which the key had no tokens left, before any call
        self.waited_s = 0.0  #: for upstreams, between calls, and for people

    async def run(self) -> Attempt | Spoken:
        """The call to deliver, or what a person says.

        Raises the first call's failure where there is neither: it is about the best model that could be asked.
        """
        delivered: Attempt | None = None
        try:
            plan = self._decision.plan
            looks = plan is not None and plan.kind in LOOKING
            judge = judge_of(self._decision, self._execution, self._live.world) if looks else None
            outlook = outlook_of(self._decision, self._live.world) if looks else None
            ended = await self._carry_out(start(self._decision, self._execution, judge, outlook))
            if ended.course:
                await self._record_course(ended)
            found = await (self._deliver(ended.reached.number, ended.course) if isinstance(ended, Deliver) else self._give_up(ended))
            delivered = found if isinstance(found, Attempt) else None
            return found
        except RateLimited as error:
            if not self._made:
                await self._record_nothing(self._limited, error.code, "unavailable")
            raise
        finally:
            for attempt in self._attempts.values():
                if attempt is not delivered:
                    self._superseded = delivered is not None
                    await self._release(attempt)

    async def _carry_out(self, steps: Steps) -> Deliver | Fail:
        step: Step | None = None
        while True:
            try:
                step = next(steps) if step is None else steps.send(await (self._call(step) if isinstance(step, Call) else self._do(step)))
            except StopIteration as stop:
                ended: Deliver | Fail = stop.value
                return ended

    async def _deliver(self, number: int, course: tuple[Weighed, ...]) -> Attempt | Spoken:
        """The call's answer, as far as people let it out."""
        reached, self._course = self._attempts[number], course
        if reached.answer is not None and self.reviewing.approval:
            return await self._person(self.reviewing.approved(number, self._proposed(reached, reached.answer), reached.usage))
        if reached.answer is not None and self.reviewing.sampled:
            await self._sample(reached, reached.answer)
        return reached

    async def _give_up(self, ended: Fail) -> Spoken:
        """What a person says. Raises where none is asked."""
        if not ended.human or self._decision.request.api == "embeddings":
            raise await self._failed()
        faults = [error.fault for _, error, _ in self._failures]
        return await self._person(self.reviewing.unanswered(ended.course, self._answers, self._told, faults))

    async def _person(self, asked: Awaitable[Spoken]) -> Spoken:
        began = time.perf_counter()
        try:
            return await asked
        finally:
            self.waited_s += time.perf_counter() - began

    async def _do(self, step: Wait | All | First) -> Sent:
        match step:
            case Wait():
                return await self._wait(step)
            case All():
                return await self._all(step)
            case First():
                return await self._first(step)

    async def _call(self, call: Call) -> Reached:
        model, sampled = call.model, self.reviewing.sampled
        if self.reviewing.approval or (sampled and not self._decision.request.stream):
            call = replace(call, whole=True)
        held: Held | None = None
        try:
            asked = varied(self._decision.request, call)
            letter = await self._write(call, asked)
            if self._purse is not None:
                held = await self._hold(self._purse, asked, model, letter)
            ticket = self._admit(call, model, held)
        except UpstreamError as error:
            if error.code == CANNOT_MASK and all(model != before for before, _, _ in self._failures):
                await self._record_nothing(model, error.code, error.fault)  # another model may answer: then nothing else would tell of it
            self._failures.append((model, error, 0))
            return Reached(model, error.fault, error.retry_after_s, self._at_s())
        self._made += 1
        self._called.add(model)
        deadline_at = self._began + self._execution.deadline_s
        if call.hurried:
            deadline_at = (self._loop.time() + deadline_at) / 2
        attempt = Attempt(
            self._decision, self._live, call, asked, letter, ticket, self._made, self._log, self._loop, deadline_at, held, kept=sampled
        )
        self._clocks.add(attempt.clock)
        try:
            failure = await attempt.open()
        except BaseException:
            await self._release(attempt)
            raise
        finally:
            self.waited_s += attempt.waited_s
            self._ended.append(attempt)
        if failure is None:
            self._attempts[attempt.number] = attempt
            return Reached(model, number=attempt.number, at_s=self._at_s(), answer=attempt.answer)
        self._clocks.discard(attempt.clock)
        self._failures.append((model, failure, attempt.number))
        return Reached(model, failure.fault, failure.retry_after_s, self._at_s(), attempt.number)

    async def _hold(self, purse: Purse, asked: Request, model: str, letter: Letter) -> Held:
        live = self._live
        try:
            return await purse.hold(asked, live.world.snapshot.models[model], letter, live.egress.timeouts(model).total_s)
        except RateLimited as error:
            if not self._made:
                self._limited = model
                raise
            # The key's limit is no answer to a request that has been asked of another model already: that one may still answer.
            raise OverBudget(f"`{model}` was not called: {error.message}") from error

    def _admit(self, call: Call, model: str, held: Held | None) -> Ticket:
        try:
            forced = call.forced and not self._decision.request.reads_for
            return self._live.watch.admit(model, reserved_tokens(self._decision), forced=forced, again=model in self._called)
        except UpstreamError:
            if held is not None:
                held.release()
            raise

    async def _write(self, call: Call, asked: Request) -> Letter:
        model = call.model
        most = None if self._purse is None else self._execution.max_output_tokens
        world, egress = self._live.world, self._live.egress
        quotes = call.variation is not None and bool(call.variation.question)
        if quotes:
            await refuse_news(asked, self._decision, world.signals.search, self._answers.values())
        try:
            # What a question quotes was not looked at when the request was: an answer is among it.
            if self._masker is None or not (
                self._masker.mask.hides_from(world.snapshot.models[model])
                if quotes
                else self._masker.mask.concerns(self._decision.signals, world.snapshot.models[model])
            ):
                return egress.write(model, asked, most)
            if quotes:
                await refuse_parts(self._decision.request, self._masker.mask, self._answers.values())
                masked = await Masker(asked, self._masker.mask).masked()
                return replace(egress.write(model, masked.request, most), values=masked.values)
            masked = await self._masker.masked()
            return replace(egress.write(model, varied(masked.request, call), most), values=masked.values)
        except RequestError as error:
            # Another model may speak an API that can say it.
            raise UpstreamRefused(
                error.message, status=error.status, fault="refused", type=error.type, code=error.code, param=error.param
            ) from error

    async def _wait(self, step: Wait) -> Waited:
        if not self._live.watch.retries.take(step.model):
            return Waited(granted=False, at_s=self._at_s())
        clock = Clock(self._loop, self._loop.time() + step.seconds + _DAY_S)  # the wait ends by itself: this is for who has to cut it short
        self._clocks.add(clock)
        try:
            await clock.wait(asyncio.sleep(step.seconds))
        finally:
            clock.stop()
            self._clocks.discard(clock)
        self.waited_s += step.seconds
        return Waited(granted=True, at_s=self._at_s())

    async def _all(self, step: All) -> tuple[Reached, ...]:
        """Calls side by side. What stops one of them for good stops all."""
        running = [self._loop.create_task(self._call(call)) for call in step.calls]
        waited_before_s, began = self.waited_s, time.perf_counter()
        try:
            return tuple(await asyncio.gather(*running))
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            self.waited_s = waited_before_s + time.perf_counter() - began

    async def _first(self, step: First) -> tuple[Reached, ...]:
        """Staggered calls; the first to reach something ends the others."""
        running: list[asyncio.Task[Reached]] = []
        waited_before_s, began = self.waited_s, time.perf_counter()
        try:
            for at, call in enumerate(step.calls, 1):
                running.append(self._loop.create_task(self._call(call)))
                if await self._one_reached(running, step.after_s if at < len(step.calls) else None):
                    break
            self._superseded = True
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            self._superseded = False
            self.waited_s = waited_before_s + time.perf_counter() - began  # side by side, not one after the other
        return tuple(self._reached(task, call) for task, call in zip(running, step.calls, strict=False))

    async def _one_reached(self, running: Sequence[asyncio.Task[Reached]], within_s: float | None) -> bool:
        """Whether one reached something in time; not, as soon as all have failed."""
        until = None if within_s is None else self._loop.time() + within_s
        waiting = {task for task in running if not task.done()}
        while waiting:
            left_s = None if until is None else max(0.0, until - self._loop.time())
            done, waiting = await asyncio.wait(waiting, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
            if not done or any(task.result().ok for task in done):
                return bool(done)
        return False

    def _reached(self, task: asyncio.Task[Reached], call: Call) -> Reached:
        return Reached(call.model, abandoned=True, at_s=self._at_s()) if task.cancelled() else task.result()

    async def looked_at(self, delivered: Attempt) -> None:
        """Keep what a stream has said for people to look at, where chance would have it."""
        try:
            answer = await asyncio.to_thread(delivered.said)
        except UpstreamError as error:  # the client has read it to its end, however odd it is
            _log.warning("a stream drawn for review was not kept: %s (%s)", error, self._decision.request.id)
            return
        if answer is not None:
            await self._sample(delivered, answer)

    async def _sample(self, delivered: Attempt, answer: Answer) -> None:
        await self.reviewing.look(self._proposed(delivered, answer), self._told, delivered.number)

    def _proposed(self, delivered: Attempt, answer: Answer) -> tuple[Proposal, ...]:
        """The answer, and those before it."""
        answers = {**self._answers, delivered.number: answer}
        return proposals(self._course, answers) or (Proposal(delivered.number, delivered.model, answer),)

    @property
    def _answers(self) -> dict[int, Answer]:
        return {number: attempt.answer for number, attempt in self._attempts.items() if attempt.answer is not None}

    @property
    def _told(self) -> tuple[Failure, ...]:
        """The calls that failed, as clients and reviewers hear of them."""
        # An upstream may call anything a code, even the client's own words.
        return tuple(
            Failure(model, code_of(error.code) or error.fault, error.status, number, error.check) for model, error, number in self._failures
        )

    async def _failed(self) -> PointsmanError:
        model, refusal, _ = self._failures[0]
        if not self._made and refusal.code != CANNOT_MASK:
            await self._record_nothing(model, refusal.code, refusal.fault)
        called = (error for _, error, _ in self._failures if error.fault not in NOT_CALLED)
        error: PointsmanError = next(called, self._failures[0][1])
        error.failures = self._told
        return error

    async def _record_course(self, ended: Deliver | Fail) -> None:
        request = self._decision.request.id
        course = Course(request, ended.reached.number if isinstance(ended, Deliver) else None, ended.course)
        await self._log.append("course", request, msgspec.json.encode(course))

    async def _record_nothing(self, model: str, code: str | None, fault: Fault) -> None:
        """That no call was made, and why, is an outcome as well."""
        request = self._decision.request.id
        outcome = Outcome(request, 0, model, "error", task=self._decision.ruling.task, error=code, fault=fault, sent=False)
        await self._log.append("outcome", request, msgspec.json.encode(outcome))

    async def _release(self, attempt: Attempt) -> None:
        self._clocks.discard(attempt.clock)
        await attempt.aclose("superseded" if self._superseded else "client_disconnected")

    @property
    def made(self) -> int:
        """How many calls were made."""
        return self._made

    @property
    def called(self) -> Set[str]:
        """The models that were asked."""
        return self._called

    def headers(self, delivered: Attempt | None) -> dict[str, str]:
        """What the client is told of the way to its answer: how many calls, how sure the plan is of it, the ticket."""
        said = {"x-pointsman-calls": str(self._made)}
        if self._course and delivered is not None:
            sure = next((step.confidence for step in self._course if step.call == delivered.number), None)
            if sure is not None:
                said["x-pointsman-confidence"] = f"{sure:.3f}"
        if self.reviewing.ticket is not None:
            said["x-pointsman-review-id"] = self.reviewing.ticket.id
        return said

    def others_picousd(self, delivered: Attempt | None) -> int:
        """What the calls cost that were not delivered, as far as that is known."""
        return sum(attempt.cost_picousd or 0 for attempt in self._ended if attempt is not delivered)

    def _at_s(self) -> float:
        return self._loop.time() - self._began
