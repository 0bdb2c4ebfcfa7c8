"""What each check of answers says about whether an answer is right, on recorded answers of models.

`python benchmarks/checks.py [--split val]` prints the tables and writes benchmarks/results/checks.json. The outcomes are found through
POINTSMAN_DATA. Checks were written on train rows; without `--split` the test splits are read. A model's answers are compared with its own
only: which model is better is not what a check finds.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pointsman.core.answer import Answer, Grade
from pointsman.core.request import ToolCall
from pointsman.plans.checks import CHECKS, Asked, Offered, grades
from pointsman.plans.checks.agreement import agreement
from pointsman.plans.checks.normal import final, normalised
from pointsman.testing.checks import ASKED, large

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("POINTSMAN_DATA", ROOT.parent / "shared" / "data")) / "outcomes"
RESULTS = ROOT / "benchmarks" / "results" / "checks.json"
QUERIES, RESAMPLES, FEWEST = 600, 200, 30
_KINDS = {"dict": "object", "float": "number", "double": "number", "tuple": "array", "any": None, "long": "integer", "char": "string"}

Floats = NDArray[np.float64]
Row = dict[str, Any]


@dataclass(frozen=True)
class Source:
    """Recorded answers, and how their rows are read."""

    name: str
    dataset: str
    asked: Callable[[Row], Asked]
    answer: Callable[[Row], Answer | None]
    keep: Callable[[Row], bool]
    pool: tuple[str, ...] = ()  #: models; empty: all
    compared: int = 2  #: other models whose answers `agreement` compares


def plain(row: Row) -> Answer | None:
    return None if row["response"] is None else Answer(row["response"])


def called(row: Row) -> Answer | None:
    """Calls as the harness wrote them down: a list of objects with a name and JSON text, or the text where none was made."""
    text = row["response"]
    try:
        said = json.loads(text)
        calls = tuple(ToolCall(str(at), name, arguments) for at, each in enumerate(said) for name, arguments in each.items())
        return Answer(tool_calls=calls) if all(isinstance(call.arguments, str) for call in calls) else Answer(text)
    except (ValueError, TypeError, AttributeError):
        return None if text is None else Answer(text)


def offered(row: Row) -> Asked:
    """The tools with JSON schema's names of types; some models were told names with `_` for dots."""
    tools = [
        Offered(name, schema_of(tool["parameters"]))
        for tool in json.loads(row["tools"])
        for name in {tool["name"], tool["name"].replace(".", "_")}
    ]
    return Asked(row["prompt"], tools=tuple(tools))


def schema_of(value: Any) -> Any:
    if isinstance(value, list):
        return [schema_of(each) for each in value]
    if not isinstance(value, dict):
        return value
    made = {key: schema_of(each) for key, each in value.items() if key not in ("default", "description", "optional", "format")}
    if isinstance(kind := value.get("type"), str) and (put := _KINDS.get(kind.lower(), kind.lower())) is not None:
        made["type"] = put
    elif isinstance(kind, str):
        made.pop("type")
    return made


def in_json(row: Row) -> Asked:
    """ZeroEval's prompts asked for such an object; the stored ones leave that out."""
    return Asked(row["prompt"], 'Present your reasoning and your answer as JSON, with the fields "reasoning" and "answer".')


def pool_of(dataset: str) -> tuple[str, ...]:
    return tuple(json.loads((DATA.parent / "index.json").read_text())["outcomes"][dataset].get("pool") or ())


def sources() -> tuple[Source, ...]:
    def question(row: Row) -> Asked:
        return Asked(row["prompt"])

    zero = pool_of("zeroeval")
    native = lambda row: row["model"].endswith(("-FC", "-FC-Any", "-FC-Auto"))  # noqa: E731
    return (
        Source("GSM8K, Mixtral", "routellm_gsm8k", question, plain, lambda row: row["model"] != "gpt-4-1106-preview", compared=0),
        *(
            Source(f"ZeroEval {task}", "zeroeval", in_json, plain, lambda row, t=task: row["task"] == t, zero)
            for task in ("gsm", "crux", "math-l5")
        ),
        Source("MMLU-Pro", "mmlu_pro", question, plain, lambda row: True, pool_of("mmlu_pro")),
        Source("RouterBench, one letter", "routerbench", question, plain, lambda row: "Print only a single choice" in row["prompt"]),
        Source("BFCL, calls", "bfcl", offered, called, lambda row: native(row) and row["task"] != "relevance"),
        Source("BFCL, no tool fits", "bfcl", offered, called, lambda row: native(row) and row["task"] == "relevance"),
        Source("AlpacaEval (judge)", "alpaca_eval", question, plain, lambda row: True, pool_of("alpaca_eval")),
    )


def rows_of(source: Source, split: str) -> list[Row]:
    columns = ["query_id", "model", "task", "split", "prompt", "quality", "response", "reference", "tools"]
    file = pq.ParquetFile(DATA / source.dataset / "outcomes.parquet")
    known = [name for name in columns if name in file.schema_arrow.names]
    table = pq.read_table(file_path(source), columns=known, filters=[("split", "=", split)])
    rows = [row for row in table.to_pylist() if row["response"] is not None and source.keep(row)]
    pool = source.pool or tuple(sorted({row["model"] for row in rows}))
    queries = sorted({row["query_id"] for row in rows})
    chosen = set(random.Random(20_261).sample(queries, min(QUERIES, len(queries))))
    return [row for row in rows if row["model"] in pool and row["query_id"] in chosen]


def file_path(source: Source) -> Path:
    return DATA / source.dataset / "outcomes.parquet"


def auc(value: Floats, right: NDArray[np.bool_]) -> tuple[float, float]:
    """Pairs that a value orders as they are, ties half, and how many pairs there are."""
    good, bad = value[right], np.sort(value[~right])
    if not len(good) or not len(bad):
        return 0.0, 0.0
    below = np.searchsorted(bad, good, "left") + np.searchsorted(bad, good, "right")
    return float(below.sum()) / 2, float(len(good) * len(bad))


def within(value: Floats, right: NDArray[np.bool_], model: NDArray[np.int_]) -> float:
    """The AUC of pairs of answers of one model."""
    parts = [auc(value[model == each], right[model == each]) for each in np.unique(model)]
    pairs = sum(part[1] for part in parts)
    return sum(part[0] for part in parts) / pairs if pairs else float("nan")


def measured(name: str, grades: list[Grade], rows: list[Row]) -> Row | None:
    value = np.array([np.nan if grade.value is None else grade.value for grade in grades])
    right = np.array([row["quality"] >= 0.5 for row in rows])
    spoke = ~np.isnan(value)
    if spoke.sum() < FEWEST:
        return None
    ids = {query: at for at, query in enumerate(sorted({row["query_id"] for row in rows}))}
    query = np.array([ids[row["query_id"]] for row in rows])
    names = sorted({row["model"] for row in rows})
    model = np.array([names.index(row["model"]) for row in rows])
    against = spoke & (value < 0.5)
    said = {
        "check": name,
        "abstains": round(1 - float(spoke.mean()), 4),
        "against": round(float(against.mean()), 4),
        "right where against": round(float(right[against].mean()), 3) if against.any() else None,
        "right": round(float(right.mean()), 3),
        "auc": None,
    }
    one = within(value[spoke], right[spoke], model[spoke])
    if len(np.unique(value[spoke])) > 1 and not np.isnan(one):
        redrawn = resampled(value[spoke], right[spoke], model[spoke], query[spoke])
        said |= {"auc": round(one, 3), "low": round(redrawn[0], 3), "high": round(redrawn[1], 3)}
    return said


def resampled(value: Floats, right: NDArray[np.bool_], model: NDArray[np.int_], query: NDArray[np.int_]) -> tuple[float, float]:
    """The middle 95 % of the AUC over queries drawn with replacement."""
    chance = np.random.default_rng(20_261)
    places: dict[int, list[int]] = defaultdict(list)
    for at, each in enumerate(query):
        places[int(each)].append(at)
    groups = [np.array(found) for found in places.values()]
    drawn = []
    for _ in range(RESAMPLES):
        at = np.concatenate([groups[each] for each in chance.integers(len(groups), size=len(groups))])
        drawn.append(within(value[at], right[at], model[at]))
    low, high = np.nanpercentile(drawn, (2.5, 97.5))
    return float(low), float(high)


def compared(rows: list[Row], answers: list[Answer], others: int) -> Iterable[Grade]:
    """Each answer beside those of the `others` models whose mean quality is nearest."""
    by_query: dict[str, dict[str, Answer]] = defaultdict(dict)
    marks: dict[str, list[float]] = defaultdict(list)
    for row, answer in zip(rows, answers, strict=True):
        by_query[row["query_id"]][row["model"]] = answer
        marks[row["model"]].append(row["quality"])
    mean = {name: float(np.mean(found)) for name, found in marks.items()}
    near = {name: sorted(mean, key=lambda other, mine=mean[name]: (abs(mean[other] - mine), other)) for name in mean}  # type: ignore[misc]
    for row, answer in zip(rows, answers, strict=True):
        there = by_query[row["query_id"]]
        yield agreement(answer, [there[name] for name in near[row["model"]] if name != row["model"] and name in there][:others])


def fidelity(rows: list[Row]) -> Row | None:
    """How often an answer comes to the reference exactly where the dataset's own grader calls it right."""
    known = [row for row in rows if row.get("reference")]
    if not known:
        return None
    same = [normalised(row["response"]) == normalised(row["reference"]) for row in known]
    right = [row["quality"] >= 0.5 for row in known]
    return {
        "answers": len(known),
        "like the grader": round(float(np.mean([a == b for a, b in zip(same, right, strict=True)])), 4),
        "comes to nothing": round(float(np.mean([normalised(row["response"]) == "" for row in known])), 4),
    }


def measure(source: Source, split: str) -> Row:
    rows = rows_of(source, split)
    pairs = [(row, answer) for row in rows if (answer := source.answer(row)) is not None]
    rows, answers = [row for row, _ in pairs], [answer for _, answer in pairs]
    asked = {row["query_id"]: source.asked(row) for row in rows}
    found: list[Row] = []
    took: Mapping[str, float] = {}
    for name, check in CHECKS.items():
        began = time.thread_time()
        grades = [check(answer, asked[row["query_id"]]) for row, answer in zip(rows, answers, strict=True)]
        took = {**took, name: round((time.thread_time() - began) / len(rows) * 1e6, 1)}
        if (line := measured(name, grades, rows)) is not None:
            found.append(line)
    if source.compared and (line := measured("agreement", list(compared(rows, answers, source.compared)), rows)) is not None:
        found.append(line)
    models = sorted({row["model"] for row in rows})
    return {
        "answers": len(rows),
        "queries": len(asked),
        "models": len(models),
        "checks": found,
        "microseconds": took,
        "finals": fidelity(rows),
    }


def speed() -> Row:
    """CPU milliseconds that all checks together take on answers of a million characters made to be slow."""
    took = []
    for answer in large():
        began = time.thread_time()
        grades(CHECKS, answer, ASKED["everything"])
        final(answer)
        took.append((time.thread_time() - began) * 1e3)
    return {"answers": len(took), "median_ms": round(float(np.median(took)), 1), "slowest_ms": round(max(took), 1)}


def shown(name: str, result: Row) -> None:
    print(f"\n{name}: {result['answers']:,} answers to {result['queries']:,} questions by {result['models']} models")
    print("| check | abstains | against | right where against (of all) | AUC [95 %] |\n|---|---|---|---|---|")
    for line in result["checks"]:
        where = "" if line["right where against"] is None else f"{line['right where against']:.2f}"
        area = "" if line["auc"] is None else f"{line['auc']:.3f} [{line['low']:.3f}, {line['high']:.3f}]"
        print(f"| `{line['check']}` | {line['abstains']:.1%} | {line['against']:.1%} | {where} ({line['right']:.2f}) | {area} |")
    print("finals:", result["finals"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--split", choices=("train", "val", "test"), default="test")
    split = parser.parse_args().split
    results = {}
    for source in sources():
        results[source.name] = measure(source, split)
        shown(source.name, results[source.name])
    print("\na million characters:", quickly := speed())
    if split == "test":
        made = {
            "measured": datetime.now(UTC).isoformat(timespec="seconds"),
            "split": split,
            "resamples": RESAMPLES,
            "large": quickly,
            "sources": results,
        }
        RESULTS.write_text(json.dumps(made, indent=1) + "\n")


if __name__ == "__main__":
    main()
