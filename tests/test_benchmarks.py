"""Benchmarks run seldom: what they take from the package is there all the same."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import pytest

BENCHMARKS = sorted((Path(__file__).parents[1] / "benchmarks").rglob("*.py"))


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.name)
def test_everything_that_a_benchmark_imports_is_there(path: Path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "pointsman":
            module = import_module(node.module or "")
            assert not [name.name for name in node.names if not hasattr(module, name.name) and not _is_module(node.module, name.name)]


def _is_module(package: str | None, name: str) -> bool:
    try:
        import_module(f"{package}.{name}")
    except ImportError:
        return False
    return True
