"""Where each model is reached: base URLs, keys, and the models that run in this process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from pointsman.config.providers import LOCAL, PROVIDERS
from pointsman.config.schema import ModelConfig
from pointsman.upstream.client import Endpoint
from pointsman.upstream.http import HttpTransport, new_client
from pointsman.upstream.local import LocalEngine, LocalModel, find_weights
from pointsman.upstream.transport import Reply, Transport

_CLOSE_S = 5.0


class Engines:
    """The local models, loaded once each in the background; a call that comes early waits."""

    def __init__(self, models: Sequence[ModelConfig]) -> None:
        """Finds the weights now (`ConfigError` where they are missing); loads them with `load`."""
        self._paths = {model.weights: find_weights(model.weights) for model in models if model.provider == LOCAL}
        self._context = {weights: max(model.context_tokens or 0 for model in models if model.weights == weights) for weights in self._paths}
        self._loading: dict[str, asyncio.Task[LocalEngine]] = {}

    def load(self) -> None:
        """Begin loading."""
        for weights, path in self._paths.items():
            self._loading[weights] = asyncio.create_task(asyncio.to_thread(_load, path, self._context[weights]))

    def waiting_for(self) -> str | None:
        """What is not loaded yet, or why it failed to load."""
        for weights, loading in self._loading.items():
            if not loading.done():
                return f"local model `{weights}`"
            if (error := loading.exception()) is not None:
                return f"local model `{weights}` failed to load: {error}"
        return None

    def transport(self, model: ModelConfig) -> Transport:
        """The way to one local model."""
        return _Local(lambda: self._loading[model.weights], model.tries)

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


def endpoints(models: Sequence[ModelConfig], engines: Engines) -> dict[str, Endpoint]:
    """An endpoint for each model, by its id. All HTTP calls share one connection pool."""
    client = new_client()
    return {
        model.id: Endpoint(
            engines.transport(model) if model.provider == LOCAL else HttpTransport(_base_url(model), client),
            model.model or model.id,
            model.api_key,
            model.timeout_s,
            "" if model.provider == LOCAL else _base_url(model),
        )
        for model in models
    }


def _base_url(model: ModelConfig) -> str:
    return model.base_url or PROVIDERS[model.provider].base_url
