"""What turns texts into vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from pointsman.config.kinds import Count, says


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingConfig:
    """What turns texts into vectors for intents, classifiers and what was learned. See docs/signals.md."""

    kind: Annotated[
        Literal["shipped", "dense", "remote"],
        says(
            "`shipped`: the table that comes along; `dense`: an encoder of yours; `remote`: a model of the pool, asked before each request"
        ),
    ] = "shipped"
    path: Annotated[str, says("`dense` only: folder with `model.onnx` and `tokenizer.json`")] = ""
    model: Annotated[str, says("`remote` only: id of a model that speaks `embeddings`")] = ""
    dims: Annotated[Count | None, says("`remote` only: numbers in its vectors")] = None
    timeout_ms: Annotated[float, Meta(gt=0, le=60_000), says("`remote` only: what comes later is not waited for")] = 500.0
