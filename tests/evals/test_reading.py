"""Files of outcomes: one table whatever the format, and a place and a cure for every bad row."""

from __future__ import annotations

import csv
import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from pointsman.errors import ConfigError
from pointsman.evals import collection
from pointsman.evals.read import read
from pointsman.evals.rows import assemble, assume_cost, whole

ROWS = [
    {
        "query_id": q,
        "model": m,
        "quality": quality,
        "prompt": f"text {q}",
        "task": "t",
        "group_key": q,
        "split": "train",
        "input_tokens": 3,
        "cost_usd": cost,
    }
    for q, m, quality, cost in [("q1", "a", 1.0, 0.25), ("q1", "b", 0.5, None), ("q2", "a", 0.0, 0.5), ("q2", "b", 1.0, 2.0)]
]


def write_jsonl(path: Path, rows=ROWS) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def write_csv(path: Path, rows=ROWS) -> Path:
    with path.open("w", newline="") as out:
        table = csv.DictWriter(out, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return path


def write_parquet(path: Path, rows=ROWS) -> Path:
    pa = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet").write_table(pa.Table.from_pylist(rows), path)
    return path


def test_every_format_and_order_of_rows_gives_the_same_table(tmp_path):
    tables = [
        read(write_jsonl(tmp_path / "o.jsonl")),
        read(write_jsonl(tmp_path / "r.jsonl", ROWS[::-1])),
        read(write_csv(tmp_path / "o.csv")),
        read(write_parquet(tmp_path / "outcomes.parquet")),
        read(tmp_path),
    ]
    assert {table.digest() for table in tables} == {tables[0].digest()}
    assert tables[0].models == ("a", "b")
    assert [query.text for query in tables[0].queries] == ["text q1", "text q2"]
    assert tables[0].quality.tolist() == [[1.0, 0.5], [0.0, 1.0]]
    assert np.isnan(tables[0].cost_usd).tolist() == [[False, True], [False, False]]


def test_the_digest_changes_with_the_data():
    changed = [{**row, "quality": 0.25} if row["quality"] == 0.5 else row for row in ROWS]
    assert assemble(ROWS, "x").digest() != assemble(changed, "x").digest()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"quality": 1.7}, "row 2: quality `1.7` is outside 0 to 1: divide by the scale's maximum"),
        ({"quality": "good"}, "row 2: quality `good` is not a number: leave it empty where it is unknown"),
        ({"cost_usd": -1}, "row 2: cost_usd `-1` is outside 0 to infinity: leave it empty where it is unknown"),
        ({"latency_s": math.inf}, "row 2: latency_s `inf` is outside"),
        ({"model": ""}, "row 2: no `model`: every row needs one"),
        ({"prompt": None}, "row 2: no `prompt`: every row needs one"),
        ({"model": "a"}, "row 2: a second outcome of `a` on `q1`: average them, or drop one"),
        ({"task": "other"}, "row 2: query `q1` has another text, task, group or split above: give it another id"),
    ],
)
def test_a_bad_row_is_refused_with_its_place_and_a_cure(change, said):
    rows = [dict(row) for row in ROWS]
    rows[1] |= change
    with pytest.raises(ConfigError) as refused:
        assemble(rows, "file")
    assert str(refused.value).startswith(f"file: {said}")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("o.pkl", "", "a pickle may run code when it is read"),
        ("o.xlsx", "", "unknown format `.xlsx`: give .parquet, .jsonl or .csv"),
        ("o.csv", "a,b\n1,2\n", "its first line is of no known format"),
        ("o.csv", "query_id,model,quality,prompt\nq,m,1,a, b\n", "record 2: more or fewer fields"),
        ("o.jsonl", "{}\n[1]\n", "row 1: no `query_id`"),
        ("o.jsonl", "[1]\n", "line 1: not an object"),
        ("o.jsonl", "{\n", "line 1: not JSON"),
        ("o.jsonl", "", "no rows"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError) as refused:
        read(tmp_path / name)
    assert said in str(refused.value)
    assert str(tmp_path / name) in str(refused.value)


def test_a_missing_parquet_reader_is_named_with_its_extra(tmp_path, monkeypatch):
    path = write_parquet(tmp_path / "o.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ConfigError, match=r"pip install 'pointsman\[parquet\]'"):
        read(path)


def test_worked_examples_before_the_question_are_cut():
    few_shot = {**ROWS[0], "prompt": "Q: one? A: 1\nQ: two? A:", "question": "two?"}
    options_after = {**ROWS[2], "prompt": "three? Options: A B", "question": "three?"}
    assert [query.text for query in assemble([few_shot, options_after], "x").queries] == ["two? A:", "three? Options: A B"]


def test_routerbench_reads_a_score_and_a_cost_for_each_model(tmp_path):
    row = {
        "sample_id": "s.1",
        "prompt": "p",
        "eval_name": "arc",
        "gpt": 1.0,
        "gpt|total_cost": 0.5,
        "gpt|model_response": "A",
        "yi": 0.25,
        "yi|total_cost": 0.1,
    }
    table = read(write_csv(tmp_path / "rb.csv", [row]), answers=True)
    assert (table.models, table.queries[0].id, table.queries[0].task) == (("gpt", "yi"), "s.1", "arc")
    assert (table.quality.tolist(), table.cost_usd.tolist(), table.answers) == ([[1.0, 0.25]], [[0.5, 0.1]], (("A", None),))


def test_routellm_reads_a_folder_of_tables_named_after_their_tasks(tmp_path):
    write_csv(tmp_path / "mmlu_law.csv", [{"prompt": "p", "strong": True, "weak": False, "strong_response": "True story"}])
    write_csv(tmp_path / "mmlu_art.csv", [{"prompt": "p", "strong": "True", "weak": "True", "strong_response": "x"}])
    table = read(tmp_path, answers=True)
    assert [(query.id, query.task) for query in table.queries] == [("mmlu_art/1", "mmlu_art"), ("mmlu_law/1", "mmlu_law")]
    assert table.answers == (("x", None), ("True story", None))
    assert table.models == ("strong", "weak")
    assert table.quality.tolist() == [[1, 1], [1, 0]]


def test_gaps_are_refused_or_dropped_with_their_count():
    table = assemble(ROWS, "x")
    with pytest.raises(ConfigError, match="1 of 4 cells are missing, the first: cost of `b` on `q1`"):
        whole(table)
    kept = whole(table, drop=True, present=0.5)
    assert ([query.id for query in kept.outcomes.queries], kept.queries, kept.models) == (["q2"], 1, ())
    assert whole(table.rows([1])).queries == 0
    assert [query.id for query in whole(table, drop=True).outcomes.queries] == ["q2"]  # too few have two models: those that do


@pytest.mark.parametrize("drop", [True, False])
def test_a_table_of_one_answer_a_query_says_what_it_can_and_cannot_support(drop):
    rows = [{**row, "quality": row["quality"] if (row["query_id"], row["model"]) in (("q1", "a"), ("q2", "b")) else None} for row in ROWS]
    with pytest.raises(ConfigError) as refused:
        whole(assemble(rows, "x"), drop=drop)
    said = str(refused.value)
    assert "2 answers to 2 of 2 queries have a quality, at most 1 a query: routers and dials cannot be judged on that" in said
    assert "`pointsman train quality` learns from it" in said
    assert "`review.sample`" in said
    with pytest.raises(ConfigError, match="at most 2 a query, 1 of them no cost"):
        whole(assemble(ROWS[:2], "x"), drop=drop)


def test_a_pair_may_do_without_costs_only_where_none_is_recorded():
    table = assemble([{**row, "cost_usd": None} for row in ROWS], "x")
    assert whole(table, shares=True).outcomes is table
    with pytest.raises(ConfigError, match="cost"):
        whole(table)
    with pytest.raises(ConfigError, match="cost of `b`"):
        whole(assemble(ROWS, "x"), shares=True)


def test_missing_costs_can_be_assumed_from_prices():
    table = assemble(ROWS, "x")
    priced = assume_cost(table, {"a": (1.0, 2.0), "b": (1.0, 2.0)}, output_tokens=10)
    assert priced.cost_usd.tolist() == [[0.25, 3 + 20], [0.5, 2.0]]
    with pytest.raises(ConfigError, match="no price for `b`"):
        assume_cost(table, {"a": (1.0, 2.0)}, 10)


def test_the_index_of_a_collection_gives_the_realistic_pool(tmp_path):
    folder = tmp_path / "outcomes" / "set"
    folder.mkdir(parents=True)
    (folder.parent / "bare").mkdir()
    (folder.parent / "other").mkdir()
    (tmp_path / "index.json").write_text(json.dumps({"outcomes": {"set": {"pool": ["b"]}, "bare": {}}}))
    assert collection.realistic_pool(folder) == ("b",)
    assert collection.realistic_pool(folder / "outcomes.parquet") == ("b",)
    assert collection.realistic_pool(folder.parent / "bare") is None
    with pytest.raises(ConfigError, match="knows no data set `other`"):
        collection.realistic_pool(folder.parent / "other")


def test_a_pool_is_a_choice_of_columns():
    table = assemble(ROWS, "x").pool(["b"])
    assert (table.models, table.quality.tolist()) == (("b",), [[0.5], [1.0]])
    with pytest.raises(ConfigError, match="`c` is not among the recorded models"):
        table.pool(["c"])
