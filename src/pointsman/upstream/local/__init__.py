"""A language model in this process, on llama.cpp: one engine, and arms that differ in how they ask it."""

from pointsman.upstream.local.arm import LocalModel
from pointsman.upstream.local.engine import LocalEngine, find_weights

__all__ = ["LocalEngine", "LocalModel", "find_weights"]
