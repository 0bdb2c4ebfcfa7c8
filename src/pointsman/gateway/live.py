"""What requests are carried out with."""

from __future__ import annotations

from dataclasses import dataclass

from pointsman.gateway.premium import Tally
from pointsman.gateway.purse import Till
from pointsman.gateway.reviews import Desk
from pointsman.gateway.understand import World
from pointsman.stores.content_keys import ContentKeys
from pointsman.upstream.client import Egress
from pointsman.upstream.watch import Watch


@dataclass(frozen=True, slots=True)
class Live:
    """A configuration at work; replaced as a whole. A request keeps to the one it began with."""

    world: World
    egress: Egress
    watch: Watch
    till: Till | None = None  #: `None`: nothing is counted
    reviews: Desk | None = None  #: where requests wait for people; `None`: nobody is asked
    contents: ContentKeys | None = None  #: seals what is asked, to be kept; `None`: it is not kept
    tally: Tally | None = None  #: counts for caps on premium models; `None`: there are none
