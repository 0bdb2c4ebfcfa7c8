"""Fakes for tests of your own: a model server that misbehaves on demand."""

from pointsman.testing.upstream import Exchange, ScriptedUpstream

__all__ = ["Exchange", "ScriptedUpstream"]
