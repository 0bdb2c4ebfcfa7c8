"""RouterBench's table: a row a prompt, and for each model its score, `<model>|total_cost` and `<model>|model_response`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from pointsman.evals.rows import Row

COST, RESPONSE = "|total_cost", "|model_response"


def is_wide(head: Sequence[str]) -> bool:
    """Whether a first line is of this format."""
    return any(name.endswith(COST) for name in head)


def rows(table: Iterable[Mapping[str, str]]) -> Iterator[Row]:
    """A row for each prompt and model. `eval_name` is the task, `sample_id` the id; without it prompts are numbered from 1."""
    for number, line in enumerate(table, 1):
        for name in line:
            if name.endswith(COST):
                model = name.removesuffix(COST)
                yield {
                    "query_id": line.get("sample_id") or str(number),
                    "model": model,
                    "prompt": line["prompt"],
                    "task": line.get("eval_name"),
                    "quality": line.get(model),
                    "cost_usd": line[name],
                    "response": line.get(model + RESPONSE),
                }
