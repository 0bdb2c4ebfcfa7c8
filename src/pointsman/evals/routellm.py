"""RouteLLM's tables: `prompt`, and for each model a column True or False; `<model>_response` where answers were kept. No costs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pointsman.evals.rows import Row

RIGHT = {"true": 1.0, "false": 0.0}


def rows(table: Iterable[Mapping[str, str]], task: str) -> Iterator[Row]:
    """A row for each prompt and model; the file's name is the task, as in `mmlu_anatomy.csv`. Prompts are numbered from 1 in each file."""
    for number, line in enumerate(table, 1):
        for model, said in line.items():
            if said.strip().lower() in RIGHT and model != "prompt":
                yield {
                    "query_id": f"{task}/{number}",
                    "model": model,
                    "prompt": line["prompt"],
                    "task": task,
                    "quality": RIGHT[said.strip().lower()],
                    "response": line.get(f"{model}_response"),
                }
