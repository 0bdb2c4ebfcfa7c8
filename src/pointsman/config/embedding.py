"""What turns texts into vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pointsman.config.kinds import says


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingConfig:
    """What turns texts into vectors for intents, classifiers and what was learned. See docs/signals.md."""

    kind: Annotated[Literal["shipped", "dense"], says("`shipped`: the table that comes along; `dense`: an encoder of yours")] = "shipped"
    path: Annotated[str, says("`dense` only: folder with `model.onnx` and `tokenizer.json`")] = ""
