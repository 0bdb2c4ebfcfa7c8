"""A plan: how the decision is carried out. The generators that execute plans live in `pointsman.plans`."""

from __future__ import annotations

from dataclasses import dataclass

from pointsman.core.rule import PlanKind


@dataclass(frozen=True, slots=True)
class Plan:
    """`single` asks `models[0]`; `fallback` asks each in turn until one answers. Every model in it passed the gates."""

    kind: PlanKind
    models: tuple[str, ...]
