"""One request, from its bytes to its recorded answer: the imperative shell around the pure parts."""

from pointsman.gateway.gateway import Answer, Decided, Gateway
from pointsman.gateway.live import Live
from pointsman.gateway.understand import Inquiry, World, decide_request

__all__ = ["Answer", "Decided", "Gateway", "Inquiry", "Live", "World", "decide_request"]
