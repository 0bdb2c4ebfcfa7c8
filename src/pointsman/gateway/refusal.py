"""When no candidate survives: the error that lists every candidate with every reason."""

from __future__ import annotations

from pointsman.core.decision import Decision
from pointsman.errors import NoEligibleModel
from pointsman.policy.gates import GATES

_WAIVED = frozenset(gate.name for gate in GATES.estimate if gate.shortfall is not None)


def no_eligible_model(decision: Decision) -> NoEligibleModel:
    """The error that lists every candidate with every reason."""
    reasons = {c.model: tuple(verdict.reason for verdict in c.verdicts) for c in decision.candidates}
    listed = "; ".join(f"`{model}`: {', '.join(why)}" for model, why in reasons.items())
    message = f"no model may or can answer `{decision.route}`: {listed or 'it has no candidates'}{_cure(decision)}"
    kinds = [{verdict.kind for verdict in candidate.verdicts} for candidate in decision.candidates]
    if any(kind == {"health"} for kind in kinds):
        return NoEligibleModel(message, reasons, status=503, type="server_error", code="no_eligible_model")
    if any(kind <= {"budget", "health"} for kind in kinds):
        return NoEligibleModel(message, reasons, status=429, type="insufficient_quota", code="insufficient_quota")
    if any("policy" not in kind for kind in kinds):
        code = "context_length_exceeded" if _all_too_long(decision) else "no_eligible_model"
        return NoEligibleModel(message, reasons, status=400, type="invalid_request_error", code=code)
    return NoEligibleModel(message, reasons, status=403, type="permission_error", code="policy_denied")


def _cure(decision: Decision) -> str:
    """What would help those that nothing but a floor or an SLA refuses."""
    spared = [c for c in decision.candidates if c.verdicts and all(verdict.gate in _WAIVED for verdict in c.verdicts)]
    if not spared:
        return ""
    gates = sorted({f"`{verdict.gate}`" for c in spared for verdict in c.verdicts})
    return (
        f"; nothing but {' and '.join(gates)} refuses {', '.join(f'`{c.model}`' for c in spared)}: "
        "change the setting, measure more, or let `on_none` of the route or task class say who answers then"
    )


def _all_too_long(decision: Decision) -> bool:
    permitted = [c.verdicts for c in decision.candidates if all(verdict.kind != "policy" for verdict in c.verdicts)]
    return all(any(verdict.gate == "context" for verdict in verdicts) for verdicts in permitted)


def why_refused(decision: Decision) -> str:
    """Why each candidate was refused, in a line."""
    return "; ".join(f"`{one.model}`: {verdict.reason}" for one in decision.candidates for verdict in one.verdicts)
