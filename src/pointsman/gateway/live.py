"""What requests are carried out with."""

from __future__ import annotations

from dataclasses import dataclass

from pointsman.gateway.understand import World
from pointsman.upstream.client import Egress
from pointsman.upstream.watch import Watch


@dataclass(frozen=True, slots=True)
class Live:
    """A configuration at work; replaced as a whole. A request keeps to the one it began with."""

    world: World
    egress: Egress
    watch: Watch
