"""`GET /v1/models`: the routes and models that a key may use, as OpenAI lists models."""

from __future__ import annotations

from typing import Any

from pointsman.core.request import Caller
from pointsman.core.snapshot import Snapshot


def usable(snapshot: Snapshot, caller: Caller) -> dict[str, str]:
    """Whose each name is that this key may write into `model`: routes first, then models, each in the order of the configuration."""
    listed = {name: "pointsman" for name, route in snapshot.routes.items() if _some_model(caller, route.candidates)}
    listed |= {model.id: model.provider for model in snapshot.models.values() if _some_model(caller, (model.id,))}
    return {name: owner for name, owner in listed.items() if caller.routes is None or name in caller.routes}


def models_list(snapshot: Snapshot, caller: Caller) -> list[dict[str, Any]]:
    """The list's entries."""
    return [{"id": name, "object": "model", "created": 0, "owned_by": owner} for name, owner in usable(snapshot, caller).items()]


def _some_model(caller: Caller, models: tuple[str, ...]) -> bool:
    return caller.models is None or any(model in caller.models for model in models)
