"""Pointsman: a governed LLM router and gateway."""

__version__ = "0.1.0"
