"""How clouds are asked: what stands between our letters and each one's own format, and who proves who calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from pointsman.config.bedrock import signed_for
from pointsman.config.models import ModelConfig
from pointsman.config.providers import auth_of
from pointsman.upstream.bedrock import ConverseTransport
from pointsman.upstream.signed import AwsSigner, GoogleSigner, SignedTransport, Signer
from pointsman.upstream.transport import Transport
from pointsman.upstream.vertex import VertexTransport
from pointsman.wire.bedrock_converse import to_converse
from pointsman.wire.dialect import Translation

Spell = Callable[[Mapping[str, Any]], Translation]


class Way(NamedTuple):
    """How a cloud of `pointsman.config.providers` is asked."""

    transport: Callable[[Transport], Transport]  #: around the one that proves who calls
    spelled: Spell | None = None  #: from Messages into its own format, where the transport does not do all of it


WAYS: Final[Mapping[str, Way]] = MappingProxyType({"bedrock": Way(ConverseTransport, to_converse), "vertex": Way(VertexTransport)})


class Signers:
    """One for each place, so that credentials are looked for once for all models that are there."""

    def __init__(self) -> None:
        self._google = cache(GoogleSigner)
        self._aws = cache(AwsSigner)

    def signed(self, model: ModelConfig, url: str, plain: Transport) -> Transport:
        """Calls over `plain` that prove who calls, as far as no key does."""
        signer: Signer
        match auth_of(model):
            case "aws":
                signer = self._aws(*signed_for(url, model.region))
            case "google":
                signer = self._google()
            case _:
                return plain
        return SignedTransport(url, plain, signer, model.id)
