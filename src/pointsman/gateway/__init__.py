"""One request, from its bytes to its recorded answer: the imperative shell around the pure parts."""

from pointsman.gateway.gateway import Answer, Gateway
from pointsman.gateway.understand import World, decide_request

__all__ = ["Answer", "Gateway", "World", "decide_request"]
