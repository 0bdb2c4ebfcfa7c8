"""Anthropic's Messages API, from clients and to models."""

from pointsman.wire.anthropic_messages.dialect import MESSAGES

__all__ = ["MESSAGES"]
