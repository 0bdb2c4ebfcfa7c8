"""Every API, by its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pointsman.core.apis import Api
from pointsman.wire.anthropic_messages import MESSAGES
from pointsman.wire.dialect import Dialect
from pointsman.wire.openai_chat.dialect import CHAT
from pointsman.wire.openai_completions.dialect import COMPLETIONS
from pointsman.wire.openai_embeddings.dialect import EMBEDDINGS
from pointsman.wire.openai_responses.dialect import RESPONSES

DIALECTS: Final[Mapping[Api, Dialect]] = {
    "chat": CHAT,
    "responses": RESPONSES,
    "messages": MESSAGES,
    "completions": COMPLETIONS,
    "embeddings": EMBEDDINGS,
}
