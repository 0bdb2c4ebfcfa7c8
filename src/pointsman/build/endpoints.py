"""Where each model is reached: base URLs, keys, and the models that run in this process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pointsman.build.clouds import WAYS, Signers, Spell
from pointsman.build.models import apis_of, refusals_of
from pointsman.config.check_clouds import missing_extras
from pointsman.config.models import ModelConfig
from pointsman.config.providers import LOCAL, base_url_of
from pointsman.errors import ConfigError
from pointsman.upstream.client import Endpoint, Timeouts
from pointsman.upstream.http import HttpTransport, Pool
from pointsman.upstream.local import LocalEngine, LocalModel, find_weights
from pointsman.upstream.transport import Reply, Transport

_CLOSE_S = 5.0


class _Weights(NamedTuple):
    name: str
    context_tokens: int


class Engines:
    """The local models, loaded once each in the background; a call that comes early waits."""

    def __init__(self) -> None:
        self._paths: dict[_Weights, Path] = {}
        self._loading: dict[_Weights, asyncio.Task[LocalEngine]] = {}

    def add(self, models: Sequence[ModelConfig]) -> None:
        """Find the weights of these models, for `load` to load. Raises `ConfigError` where they are missing."""
        self._paths |= {weights: find_weights(weights.name) for weights in _weights(models).values()}

    def load(self) -> None:
        """Begin to load what is not loaded yet."""
        for weights, path in self._paths.items():
            if weights not in self._loading:
                self._loading[weights] = asyncio.create_task(asyncio.to_thread(_load, path, weights.context_tokens))

    def waiting_for(self) -> str | None:
        """What is not loaded yet, or why it failed to load."""
        for weights, loading in self._loading.items():
            if not loading.done():
                return f"local model `{weights.name}`"
            if (error := loading.exception()) is not None:
                return f"local model `{weights.name}` failed to load: {error}"
        return None

    def transport(self, weights: _Weights, tries: int) -> Transport:
        """The way to one local model."""
        return _Local(lambda: self._loading[weights], tries)

    async def aclose(self) -> None:
        """Free the weights, as far as that can be done in time."""
        for engine in await asyncio.gather(*self._loading.values(), return_exceptions=True):
            if isinstance(engine, LocalEngine):
                # llama.cpp's server, stopped in the moment it starts, may never return: nothing that the end of the process waits for.
                closing = threading.Thread(target=engine.close, name="local-model-close", daemon=True)
                closing.start()
                await asyncio.to_thread(closing.join, _CLOSE_S)


def _load(path: Path, context_tokens: int) -> LocalEngine:
    return LocalEngine.load(path, context_tokens=context_tokens) if context_tokens else LocalEngine.load(path)


class _Local:
    """A local model behind its loading."""

    def __init__(self, engine: Callable[[], Awaitable[LocalEngine]], tries: int) -> None:
        self._engine = engine
        self._tries = tries
        self._model: LocalModel | None = None

    async def send(self, url_path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        if self._model is None:
            self._model = LocalModel(await asyncio.shield(self._engine()), self._tries)
        return await self._model.send(url_path, headers, body)

    async def aclose(self) -> None:
        if self._model is not None:
            await self._model.aclose()


def _weights(models: Sequence[ModelConfig]) -> dict[str, _Weights]:
    """What each local model runs on: models with the same weights share them, with the longest context that one of them wants."""
    local = [model for model in models if model.provider == LOCAL]
    longest: dict[str, int] = {}
    for model in local:
        longest[model.weights] = max(longest.get(model.weights, 0), model.context_tokens or 0)
    return {model.id: _Weights(model.weights, longest[model.weights]) for model in local}


def refuse_missing_extras(models: Sequence[ModelConfig]) -> None:
    """Raise `ConfigError` where a library that a model's cloud needs is not installed."""
    if missing := [problem.sentence for problem in missing_extras(models)]:
        raise ConfigError("\n".join(missing))


def endpoints(models: Sequence[ModelConfig], engines: Engines, pool: Pool) -> dict[str, Endpoint]:
    """An endpoint for each model, by its id."""
    weights = _weights(models)
    signers = Signers()
    return {
        model.id: Endpoint(
            engines.transport(weights[model.id], model.tries) if model.id in weights else _http(model, pool, signers),
            model.model or model.id,
            model.api_key,
            Timeouts(model.timeout_s, model.first_token_timeout_s, model.idle_timeout_s),
            "" if model.id in weights else base_url_of(model),
            apis_of(model),
            refusals_of(model),
            _spelled(model),
        )
        for model in models
    }


def _http(model: ModelConfig, pool: Pool, signers: Signers) -> Transport:
    url, way = base_url_of(model), WAYS.get(model.provider)
    signed = signers.signed(model, url, HttpTransport(url, pool))
    return signed if way is None else way.transport(signed)


def _spelled(model: ModelConfig) -> Spell | None:
    way = WAYS.get(model.provider)
    return None if way is None else way.spelled
