"""Amazon Bedrock's Converse, for models that are asked in Messages: its blocks, tools and events are nearly the same."""

from pointsman.wire.bedrock_converse.answer import to_message
from pointsman.wire.bedrock_converse.request import to_converse
from pointsman.wire.bedrock_converse.stream import ConverseEvents

__all__ = ["ConverseEvents", "to_converse", "to_message"]
